use serde::{Deserialize, Serialize};

use super::{Pace, Workload};
use crate::world::Mistake;

/// How many migrations a scenario may have at once.
const WORKLOADS_MAX: usize = 8;

/// The world, before anything breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What chance is drawn from while it runs.
    pub seed: u64,
    /// How many nodes the cluster has.
    pub nodes: usize,
    /// Each is migrated, once or more.
    pub workloads: Vec<Workload>,
    /// How long messages flow before the first migration is asked for, in milliseconds.
    pub warm_up_ms: u64,
    /// How long a segment may be under way, in microseconds.
    pub latency_us_max: u64,
    /// Whether what is written arrives in pieces.
    #[serde(default)]
    pub fragmented: bool,
    /// How fast the parties are, how often they look, and how long they wait.
    #[serde(default, skip_serializing_if = "Pace::is_usual")]
    pub pace: Pace,
    /// What the user got wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<Mistake>,
}

impl Scenario {
    /// The default scenario: one migration at 10 messages per second of 3 producers.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: 2,
            workloads: vec![Workload::default()],
            warm_up_ms: 2_000,
            latency_us_max: 2_000,
            fragmented: false,
            pace: Pace::default(),
            mistake: None,
        }
    }

    /// The same at another rate, in messages per second of all of a workload's producers together.
    #[must_use]
    pub fn at_rate(mut self, rate: f64, producers: u32) -> Self {
        for workload in &mut self.workloads {
            (workload.rate, workload.producers) = (rate, producers);
        }
        self
    }

    /// The same with something that the user got wrong.
    #[must_use]
    pub fn with_mistake(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !(2..=16).contains(&self.nodes) {
            return Err(format!("{} nodes: there must be 2 to 16", self.nodes));
        }
        if !(1..=WORKLOADS_MAX).contains(&self.workloads.len()) {
            return Err(format!("{} workloads: there must be 1 to {WORKLOADS_MAX}", self.workloads.len()));
        }
        self.pace.check()?;
        for (index, workload) in self.workloads.iter().enumerate() {
            workload.check(self.nodes).map_err(|problem| format!("workload {index}: {problem}"))?;
        }
        Ok(())
    }
}
