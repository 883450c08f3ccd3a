use std::fmt::Write as _;

use crate::{plan::Plan, report::Verdict};

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
    // What is only noticed at the end went wrong long before: then all of it is told.
    let at_once = matches!(first.invariant, "OneOwner" | "NoEarlyKill" | "PhaseMonotonic");
    let from = if at_once { first.at_ms.saturating_sub(BEFORE_MS) } else { 0 };
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
