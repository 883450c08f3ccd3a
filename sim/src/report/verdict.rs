use serde::Serialize;

use super::{MigrationReport, Timeline};

/// What a run proved, or what it broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The seed; none on real parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How the migration went.
    #[serde(flatten)]
    pub migration: MigrationReport,
    /// What was broken on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Messages that the broker confirmed.
    pub published: u64,
    /// Messages in the surviving owner's state.
    pub applied: u64,
    /// Confirmed, but not in that state.
    pub lost: u64,
    /// Applied more than once.
    pub duplicated: u64,
    /// Applied out of their producer's order.
    pub reordered: u64,
    /// Which invariants broke; empty when all hold.
    pub violations: Vec<Violation>,
    /// Hash of the trace: the same for the same seed, always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
    /// Every line of the trace; not part of the JSON.
    #[serde(skip)]
    pub trace: Vec<String>,
    /// Real time that the run took.
    pub wall_ms: u64,
    /// What happened.
    pub timeline: Timeline,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its name in docs/protocol.md.
    pub invariant: &'static str,
    /// When it was noticed, since the run began.
    pub at_ms: u64,
    /// What was the case.
    pub message: String,
}

impl Verdict {
    /// Whether every invariant held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}
