use std::collections::BTreeSet;

use serde::Serialize;

use super::{Event, History, Letter, MigrationReport, Sample, Timeline, WorkloadReport};

/// What a run proved, or what it broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The seed; none on real parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How the migration went; of several, the first.
    #[serde(flatten)]
    pub migration: MigrationReport,
    /// Each of several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadReport>,
    /// What was broken on purpose, in the order of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
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
    /// What the operator needed; nothing where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorReport>,
    /// Why a loss is nobody's fault: a RAM was lost in a way that the protocol does not promise to survive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<&'static str>,
    /// Which invariants broke, in the order in which it was noticed; empty when all hold.
    pub violations: Vec<Violation>,
    /// Rare points that were reached.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reached: BTreeSet<String>,
    /// What each party believed when the first invariant broke.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beliefs: Vec<Belief>,
    /// Hash of the trace: the same for the same seed, always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
    /// Every line of the trace; not part of the JSON.
    #[serde(skip)]
    pub trace: Vec<String>,
    /// How many of the faults have struck something.
    pub struck: usize,
    /// How many found nothing to strike, or were met by nobody; the others' steps were never passed.
    pub in_vain: usize,
    /// The protocol's messages; not part of the JSON.
    #[serde(skip)]
    pub letters: Vec<Letter>,
    /// What was measured while targets caught up; not part of the JSON.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    /// What became of each party; not part of the JSON.
    #[serde(skip)]
    pub history: History,
    /// Real time that the run took.
    pub wall_ms: u64,
    /// What happened.
    pub timeline: Timeline,
}

/// What the operator needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperatorReport {
    /// The most memory that its process had resident, in KiB.
    pub resident_max_kib: u64,
    /// How often it looked at the migration in a while after its end, when nothing changed any more.
    pub looks_after_the_end: usize,
    /// How long that while was.
    pub silence_ms: u64,
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

/// What a party took for the case at some moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Belief {
    /// Who.
    pub party: String,
    /// What.
    pub belief: String,
}

/// What kind of promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Something bad happened.
    Safety,
    /// Something good did not happen in time.
    Liveness,
}

impl Verdict {
    /// Whether every invariant held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// What an event says; of several migrations, with the name of the one that it belongs to.
    pub fn tell(&self, event: &Event) -> String {
        let is_one_of_several = !self.workloads.is_empty() || !self.migration.earlier.is_empty();
        match event.name.as_ref().filter(|_| is_one_of_several) {
            Some(name) => format!("{name}: {}", event.text),
            None => event.text.clone(),
        }
    }

    /// What kind of promise was broken, if one was; safety before liveness.
    pub fn failure(&self) -> Option<Failure> {
        let is_liveness = |violation: &Violation| violation.invariant == "Converges";
        match self.violations.as_slice() {
            [] => None,
            all if all.iter().all(is_liveness) => Some(Failure::Liveness),
            _ => Some(Failure::Safety),
        }
    }
}
