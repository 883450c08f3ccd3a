use std::fmt::Write as _;

use crate::{
    plan::Plan,
    report::{Lane, Verdict, Violation},
};

/// How far before the first broken invariant the story begins, in milliseconds.
const BEFORE_MS: u64 = 20_000;

/// What happened around the first broken invariant, and what each party believed then.
pub fn explain(plan: &Plan, verdict: &Verdict) -> String {
    let mut out = String::new();
    let Some(first) = verdict.violations.first() else {
        return "Every invariant holds: there is nothing to explain.\n".to_owned();
    };
    let _ = writeln!(out, "{} broke at {} ms\n  {}\n", first.invariant, first.at_ms, first.message);
    for other in &verdict.violations[1..] {
        let _ = writeln!(out, "and then {} at {} ms: {}", other.invariant, other.at_ms, other.message);
    }
    let _ = writeln!(out, "\nWhat breaks on purpose:");
    for fault in &plan.faults {
        let _ = writeln!(out, "  {fault}");
    }
    let from = if is_noticed_at_once(first, verdict) { first.at_ms.saturating_sub(BEFORE_MS) } else { 0 };
    let until = first.at_ms.saturating_add(500);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for event in verdict.timeline.events() {
        let lane = format!("{:?}", event.lane).to_lowercase();
        lines.push((event.at_ms, format!("{lane:<8} {}", verdict.tell(event))));
    }
    for letter in &verdict.letters {
        lines.push((letter.at_ms, format!("message  {} → {}: {}", letter.from, letter.to, letter.word)));
    }
    lines.retain(|(at, _)| (from..=until).contains(at));
    lines.sort_by_key(|(at, _)| *at);
    let _ = writeln!(out, "\nWhat happened before:");
    for (at, line) in lines {
        let _ = writeln!(out, "  {:>8.3} s  {line}", at as f64 / 1_000.0);
    }
    let _ = writeln!(out, "\nWhat each party believed at that moment:");
    for belief in &verdict.beliefs {
        let _ = writeln!(out, "  {}\n    {}", belief.party, belief.belief);
    }
    out
}

/// Whether it was noticed when it came to be so. What is only noticed at the end went wrong long before: then all of it is to
/// be told.
fn is_noticed_at_once(broken: &Violation, verdict: &Verdict) -> bool {
    match broken.invariant {
        "OneOwner" | "NoEarlyKill" | "PhaseMonotonic" | "Isolation" => true,
        // These are judged at the end, too, and that comes when the publishers have stopped.
        "NoDuplicate" | "Order" | "OutputsOnce" | "RamPreserved" | "PreflightFirst" => {
            let mut events = verdict.timeline.events().iter();
            let stopped = events.find(|event| event.lane == Lane::Traffic);
            stopped.is_some_and(|stopped| broken.at_ms < stopped.at_ms)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Belief;

    /// A run of 90 s in which the publishers stopped after 61, and something broke.
    fn broken(invariants: &[&'static str], at_ms: u64) -> Verdict {
        let mut verdict = Verdict::default();
        for (second, lane, text) in [
            (1, Lane::Run, "asked for"),
            (59, Lane::App, "source stopped"),
            (61, Lane::Traffic, "publishers stop"),
        ] {
            verdict.timeline.note(Duration::from_secs(second), lane, text);
        }
        for invariant in invariants {
            let message = format!("{invariant}: two own it");
            verdict.violations.push(Violation { invariant, at_ms, message });
        }
        let belief = Belief { party: "operator".to_owned(), belief: "SwitchingOver".to_owned() };
        verdict.beliefs.push(belief);
        verdict
    }

    fn told(invariants: &[&'static str], at_ms: u64) -> String {
        let plan = Plan::calm(1).with("kill-target@Replaying".parse().expect("well written"));
        explain(&plan, &broken(invariants, at_ms))
    }

    #[test]
    fn what_broke_is_told_with_what_led_there_and_what_each_party_believed() {
        let told = told(&["OneOwner", "NoLoss"], 60_000);
        assert!(told.starts_with("OneOwner broke at 60000 ms\n  OneOwner: two own it\n"), "{told}");
        for piece in [
            "and then NoLoss at 60000 ms",
            "What breaks on purpose:\n  kill-target@Replaying\n",
            "  59.000 s  app      source stopped",
            "What each party believed at that moment:\n  operator\n    SwitchingOver\n",
        ] {
            assert!(told.contains(piece), "{piece:?} is not in:\n{told}");
        }
        assert!(!told.contains("publishers stop"), "it was later:\n{told}");
    }

    #[test]
    fn what_is_noticed_at_once_is_told_from_shortly_before_and_all_else_from_the_beginning() {
        assert!(!told(&["OneOwner"], 60_000).contains("asked for"));
        assert!(told(&["NoLoss"], 60_000).contains("   1.000 s  run      asked for"));
    }

    #[test]
    fn what_is_judged_in_the_run_and_at_its_end_is_told_from_the_beginning_where_the_end_shows_it() {
        for invariant in ["NoDuplicate", "Order", "OutputsOnce", "RamPreserved", "PreflightFirst"] {
            assert!(!told(&[invariant], 60_000).contains("asked for"), "{invariant}");
            assert!(told(&[invariant], 70_000).contains("asked for"), "{invariant}");
        }
        assert!(!told(&["OneOwner"], 89_000).contains("asked for"));
    }

    #[test]
    fn where_everything_holds_there_is_nothing_to_explain() {
        assert_eq!(told(&[], 60_000), "Every invariant holds: there is nothing to explain.\n");
    }
}
