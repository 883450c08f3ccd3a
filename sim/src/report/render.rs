use std::fmt::Write as _;

use super::{Lane, MigrationReport, Verdict, WorkloadReport};

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

/// How it went, in numbers; of several workloads each has a line of its own.
fn figures(out: &mut String, verdict: &Verdict) {
    let migration = &verdict.migration;
    let is_the_only = verdict.workloads.is_empty();
    if is_the_only && !migration.phase_ms.is_empty() {
        let phases: Vec<String> =
            migration.phase_ms.iter().map(|(phase, ms)| format!("{phase:?} {ms} ms")).collect();
        let _ = writeln!(out, "  phases      {}", phases.join(" · "));
    }
    if is_the_only {
        let (total, pause) = (ms(migration.total_ms), ms(migration.pause_ms));
        let _ = writeln!(out, "  time        total {total} · pause {pause}{}", before(migration));
    }
    let _ = writeln!(
        out,
        "  messages    published {} · applied {} · lost {} · duplicated {} · reordered {}",
        verdict.published, verdict.applied, verdict.lost, verdict.duplicated, verdict.reordered
    );
    if is_the_only && !migration.message.is_empty() {
        let _ = writeln!(out, "  outcome     {}: {}", migration.reason, migration.message);
    }
}

fn ms(ms: Option<u64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"))
}

/// How the same workload's migrations before this one ended.
fn before(migration: &MigrationReport) -> String {
    let ends: Vec<&str> = migration.earlier.iter().map(|earlier| earlier.outcome.as_str()).collect();
    if ends.is_empty() { String::new() } else { format!(" · before it {}", ends.join(", ")) }
}

/// What else is to be said: what it needed, what is excused, what broke, how to repeat it.
fn remarks(out: &mut String, verdict: &Verdict, style: Style) {
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
            "  {:<11} {}{} · total {} · pause {} · published {} · applied {} · lost {}{}",
            workload.name,
            workload.migration.outcome,
            before(&workload.migration),
            ms(workload.migration.total_ms),
            ms(workload.migration.pause_ms),
            workload.published,
            workload.applied,
            workload.lost,
            workload.excuse.map(|excuse| format!(" · excused: {excuse}")).unwrap_or_default(),
        );
    }
    let (struck, in_vain) = (verdict.struck, verdict.in_vain);
    let never = verdict.faults.len().saturating_sub(struck + in_vain);
    if in_vain + never > 0 {
        let _ = writeln!(
            out,
            "  faults      {struck} struck · {in_vain} met nothing · {never} whose step never came"
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
    let of_each = |workload: &WorkloadReport| format!("{} {}", workload.name, workload.migration.outcome);
    let ends = match verdict.workloads.as_slice() {
        [] => verdict.migration.outcome.clone(),
        several => several.iter().map(of_each).collect::<Vec<_>>().join(", "),
    };
    if verdict.holds() {
        paint(&format!("✔ {ends}{fault}: every invariant holds"), "32", style)
    } else {
        let broken = verdict.violations.len();
        paint(&format!("✘ {ends}{fault}: {broken} invariants broken"), "31", style)
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
    fn every_line_of_several_migrations_names_the_one_that_it_is_about() {
        let mut timeline = Timeline::default();
        let at = Duration::from_millis;
        timeline.note_of((0, "move".into()), at(7), Lane::Phase, "RolledBack");
        timeline.note_of((0, "move-again-1".into()), at(9), Lane::Phase, "Pending");
        timeline.note_of((1, "move-1".into()), at(11), Lane::Phase, "Pending");
        let ended = |outcome: &str| MigrationReport { outcome: outcome.into(), ..MigrationReport::default() };
        let workload = |name: &str, migration| WorkloadReport {
            name: name.into(),
            migration,
            ..WorkloadReport::default()
        };
        let again = MigrationReport { earlier: vec![ended("RolledBack")], ..ended("Completed") };
        let workloads = vec![workload("move-again-1", again), workload("move-1", ended("Failed"))];
        insta::assert_snapshot!(render(&Verdict { workloads, timeline, ..verdict() }, Style::Plain));
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
