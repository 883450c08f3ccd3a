//! A run as one page: lanes of all parties, the messages between them, phases, faults, lag and rates.

use serde::Serialize;

use super::{
    ApiWrite, Belief, Cast, Event, Letter, Page, PodLife, Process, Sample, Strike, Subject, Verdict,
    Violation, WorkloadReport,
};
use crate::plan::Plan;

/// What the page's script draws.
#[derive(Serialize)]
struct Data<'a> {
    plan: &'a Plan,
    seed: Option<u64>,
    trace_hash: Option<&'a str>,
    wall_ms: u64,
    struck: usize,
    nodes: &'a [String],
    casts: &'a [Cast],
    migrations: Vec<WorkloadReport>,
    events: &'a [Event],
    letters: &'a [Letter],
    processes: &'a [Process],
    pods: &'a [PodLife],
    strikes: &'a [Strike],
    writes: &'a [ApiWrite],
    samples: &'a [Sample],
    violations: &'a [Violation],
    beliefs: &'a [Belief],
}

/// The page of a run of `plan`; `command` does it again.
pub fn html(verdict: &Verdict, plan: &Plan, command: &str) -> serde_json::Result<String> {
    let history = &verdict.history;
    let data = Data {
        plan,
        seed: verdict.seed,
        trace_hash: verdict.trace_hash.as_deref(),
        wall_ms: verdict.wall_ms,
        struck: verdict.struck,
        nodes: &history.nodes,
        casts: &history.casts,
        migrations: migrations(verdict),
        events: verdict.timeline.events(),
        letters: &verdict.letters,
        processes: &history.processes,
        pods: &history.pods,
        strikes: &history.strikes,
        writes: &history.writes,
        samples: &verdict.samples,
        violations: &verdict.violations,
        beliefs: &verdict.beliefs,
    };
    let seed = verdict.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
    let page = Page {
        subject: Subject::Run,
        title: format!("Simulated migration{seed}"),
        verdict: headline(verdict),
        holds: verdict.holds(),
        command: command.to_owned(),
    };
    page.render(&data)
}

/// Each of several, or the only one.
fn migrations(verdict: &Verdict) -> Vec<WorkloadReport> {
    if !verdict.workloads.is_empty() {
        return verdict.workloads.clone();
    }
    vec![WorkloadReport {
        name: verdict.history.casts.first().map(|cast| cast.migration.clone()).unwrap_or_default(),
        migration: verdict.migration.clone(),
        published: verdict.published,
        applied: verdict.applied,
        lost: verdict.lost,
        duplicated: verdict.duplicated,
        reordered: verdict.reordered,
        excuse: verdict.excuse,
    }]
}

fn headline(verdict: &Verdict) -> String {
    let outcome = match verdict.workloads.len() {
        0 => verdict.migration.outcome.clone(),
        several => format!("{several} migrations"),
    };
    let faults = match verdict.struck {
        0 => String::new(),
        1 => ", with 1 fault".to_owned(),
        several => format!(", with {several} faults"),
    };
    if verdict.holds() {
        format!("{outcome}{faults}: every invariant holds")
    } else {
        let broken: Vec<&str> = verdict.violations.iter().map(|broken| broken.invariant).collect();
        format!("{outcome}{faults}: {} broken", broken.join(", "))
    }
}
