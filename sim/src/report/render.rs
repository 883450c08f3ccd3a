use std::fmt::Write as _;

use super::{Lane, Verdict};

/// How a report is written for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With terminal colours.
    Colour,
    /// Without.
    Plain,
}

/// The timeline, then the verdict.
pub fn render(verdict: &Verdict, style: Style) -> String {
    let mut out = String::new();
    for event in verdict.timeline.events() {
        let seconds = event.at_ms / 1_000;
        let (mark, colour) = match event.lane {
            Lane::Phase => ("●", "36"),
            Lane::App => ("│", "0"),
            Lane::Traffic => ("│", "90"),
            Lane::Fault => ("✗", "31"),
            Lane::Run => (" ", "90"),
        };
        let line = format!("{seconds:>5}.{:03} s  {mark} {}", event.at_ms % 1_000, verdict.tell(event));
        let _ = writeln!(out, "{}", paint(&line, colour, style));
    }
    out.push('\n');
    let _ = writeln!(out, "{}", headline(verdict, style));
    figures(&mut out, verdict);
    remarks(&mut out, verdict, style);
    out
}

/// How it went, in numbers.
fn figures(out: &mut String, verdict: &Verdict) {
    if !verdict.migration.phase_ms.is_empty() {
        let phases: Vec<String> =
            verdict.migration.phase_ms.iter().map(|(phase, ms)| format!("{phase:?} {ms} ms")).collect();
        let _ = writeln!(out, "  phases      {}", phases.join(" · "));
    }
    let ms = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"));
    let _ = writeln!(
        out,
        "  time        total {} · pause {}",
        ms(verdict.migration.total_ms),
        ms(verdict.migration.pause_ms)
    );
    let _ = writeln!(
        out,
        "  messages    published {} · applied {} · lost {} · duplicated {} · reordered {}",
        verdict.published, verdict.applied, verdict.lost, verdict.duplicated, verdict.reordered
    );
    if !verdict.migration.message.is_empty() {
        let _ = writeln!(out, "  outcome     {}: {}", verdict.migration.reason, verdict.migration.message);
    }
}

/// What else is to be said: what it needed, what is excused, what broke, how to repeat it.
fn remarks(out: &mut String, verdict: &Verdict, style: Style) {
    let ms = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"));
    if let Some(operator) = &verdict.operator {
        let mib = operator.resident_max_kib as f64 / 1024.0;
        let _ = writeln!(
            out,
            "  operator    {mib:.1} MiB resident at most · looked {} times in {} ms after the end",
            operator.looks_after_the_end, operator.silence_ms
        );
    }
    for workload in &verdict.workloads {
        let _ = writeln!(
            out,
            "  {:<11} {} · pause {} · published {} · applied {} · lost {}{}",
            workload.name,
            workload.migration.outcome,
            ms(workload.migration.pause_ms),
            workload.published,
            workload.applied,
            workload.lost,
            workload.excuse.map(|excuse| format!(" · excused: {excuse}")).unwrap_or_default(),
        );
    }
    if let Some(excuse) = verdict.excuse {
        let _ = writeln!(
            out,
            "  excused     {excuse}: what only that RAM held is lost, as it is without a migration"
        );
    }
    for violation in &verdict.violations {
        let text =
            format!("  broken      {} at {} ms: {}", violation.invariant, violation.at_ms, violation.message);
        let _ = writeln!(out, "{}", paint(&text, "31", style));
    }
    if let (Some(seed), Some(hash)) = (verdict.seed, &verdict.trace_hash) {
        let _ =
            writeln!(out, "  run         seed {seed} · trace {hash} · {} ms of real time", verdict.wall_ms);
    }
}

fn headline(verdict: &Verdict, style: Style) -> String {
    let fault = match verdict.faults.as_slice() {
        [] => String::new(),
        faults => format!(", with {}", faults.join(", ")),
    };
    if verdict.holds() {
        paint(&format!("✔ {}{fault}: every invariant holds", verdict.migration.outcome), "32", style)
    } else {
        let broken = verdict.violations.len();
        paint(&format!("✘ {}{fault}: {broken} invariants broken", verdict.migration.outcome), "31", style)
    }
}

fn paint(text: &str, colour: &str, style: Style) -> String {
    match style {
        Style::Colour if colour != "0" => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{MigrationReport, OperatorReport, Timeline, Violation};

    fn verdict() -> Verdict {
        let mut timeline = Timeline::default();
        timeline.note(Duration::from_millis(2_005), Lane::Phase, "Mirroring");
        timeline.note(Duration::from_millis(2_615), Lane::App, "source answers SYNCED with 52 messages");
        Verdict {
            seed: Some(7),
            migration: MigrationReport {
                outcome: "Completed".into(),
                reason: "Migrated".into(),
                message: "counter runs as counter-shadow on node-2".into(),
                pause_ms: Some(55),
                total_ms: Some(4_120),
                phase_ms: [(ms2m::api::Phase::Mirroring, 610)].into(),
                earlier: Vec::new(),
            },
            published: 71,
            applied: 71,
            operator: Some(OperatorReport {
                resident_max_kib: 25_000,
                looks_after_the_end: 0,
                silence_ms: 3_000,
            }),
            trace_hash: Some("9f2c".into()),
            wall_ms: 312,
            timeline,
            ..Default::default()
        }
    }

    #[test]
    fn a_run_that_holds_reads_as_one() {
        insta::assert_snapshot!(render(&verdict(), Style::Plain));
    }

    #[test]
    fn a_loss_that_no_protocol_prevents_is_said_to_be_one() {
        let excuse = Some("the source died before an image existed");
        insta::assert_snapshot!(render(&Verdict { excuse, lost: 4, ..verdict() }, Style::Plain));
    }

    #[test]
    fn a_broken_invariant_is_named_with_its_time() {
        let violations =
            vec![Violation { invariant: "NoLoss", at_ms: 9_000, message: "p1 lacks 4-6".into() }];
        insta::assert_snapshot!(render(&Verdict { violations, lost: 3, ..verdict() }, Style::Plain));
    }

    #[test]
    fn the_json_has_what_scripts_read() {
        let json = serde_json::to_value(verdict()).unwrap();
        for key in [
            "seed",
            "outcome",
            "published",
            "applied",
            "lost",
            "duplicated",
            "reordered",
            "pause_ms",
            "total_ms",
            "phase_ms",
            "trace_hash",
        ] {
            assert!(json.get(key).is_some(), "{key} is missing");
        }
    }
}
