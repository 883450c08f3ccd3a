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
    /// Whether the operator asks kubelets directly, and not through the API server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct_kubelets: bool,
    /// What the user got wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<Mistake>,
}

/// The longest latency of a segment, in microseconds; the shortest is 200.
const LATENCY_US: std::ops::RangeInclusive<u64> = 200..=1_000_000;

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
            direct_kubelets: false,
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
        if !LATENCY_US.contains(&self.latency_us_max) {
            let (least, most) = LATENCY_US.into_inner();
            return Err(format!("a latency of {} µs: it must be {least} to {most}", self.latency_us_max));
        }
        let is_single = |workload: &Workload| {
            let is_moved_once = workload.rounds == 1 && workload.hurry_ms.is_none();
            let is_usual = workload.shape.is_usual() && workload.wording.is_usual();
            is_moved_once && workload.owner.is_none() && is_usual
        };
        if self.mistake.is_some() && !(self.workloads.len() == 1 && self.workloads.iter().all(is_single)) {
            return Err(
                "a mistake is made with one workload, of one migration, without an owner, and of the usual shape and \
                 wording"
                    .to_owned()
            );
        }
        self.pace.check()?;
        for (index, workload) in self.workloads.iter().enumerate() {
            workload.check(self.nodes).map_err(|problem| format!("workload {index}: {problem}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_simulated_is_refused_with_what_can() {
        let told = |change: &dyn Fn(&mut Scenario)| {
            let mut scenario = Scenario::new(1);
            change(&mut scenario);
            scenario.check().unwrap_err()
        };
        assert_eq!(Scenario::new(1).check(), Ok(()));
        assert!(told(&|scenario| scenario.latency_us_max = 100).contains("200 to 1000000"));
        assert!(told(&|scenario| scenario.workloads[0].knobs.replay = u64::MAX).contains("at most 86400000"));
        let mistake = Some(Mistake::ALL[0]);
        let twice = told(&|scenario| {
            (scenario.mistake, scenario.workloads[0].rounds) = (mistake, 2);
        });
        let two = told(&|scenario| {
            scenario.mistake = mistake;
            scenario.workloads.push(Workload::default());
        });
        assert!(twice.contains("one workload") && two.contains("one workload"), "{twice}; {two}");
    }
}
