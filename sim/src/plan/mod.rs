//! What a run is made of, as data: a scenario, and what breaks in it.
//!
//! ```text
//!   scenario   cluster and workloads: rates, sizes, deadlines           drawn from the seed
//!     pace     how fast the parties are, how often they look
//!     shape    exchange, bindings and queue of a workload
//!     wording  how its migration is asked for
//!   fault      what breaks, when, for how long                          drawn from the seed, by another generator
//!     kind     what it is
//!     moment   at which step of which migration, or at what time
//!   generate   seed ─► plan
//!   file       a plan as it is saved, alone or with the story of what it found
//!   text       `partition:operator-broker@Mirroring+200ms~5s`
//! ```
//!
//! A plan is saved as JSON with every failure, and run again to the byte.

mod directed;
mod fault;
mod file;
mod generate;
mod kind;
mod link;
mod moment;
mod pace;
mod scenario;
mod shape;
mod story;
mod text;
mod wording;
mod workload;

use serde::{Deserialize, Serialize};

pub use fault::Fault;
pub use file::{Found, NoPlan};
pub use kind::FaultKind;
pub use link::Link;
pub use moment::{Counts, Moment, Step};
pub use pace::Pace;
pub use scenario::Scenario;
pub use shape::{Bound, ExchangeKind, QueueKind, Shape};
pub use text::NoFault;
pub use wording::{TargetBy, Wording};
pub use workload::{Knobs, Owner, SECOND_MS, Workload};

/// What a run is made of; it decides everything that happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The world.
    pub scenario: Scenario,
    /// What breaks in it.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl Plan {
    /// One migration at 10 messages per second of 3 producers, and nothing breaks.
    pub fn calm(seed: u64) -> Self {
        Scenario::new(seed).into()
    }

    /// The same with a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// What makes no sense in it.
    pub fn check(&self) -> Result<(), String> {
        self.scenario.check()?;
        if let Some(fault) = self.faults.iter().find(|fault| fault.lasts_ms > 0 && !fault.kind.lasts()) {
            return Err(format!("fault {fault} happens at an instant: leave out how long it lasts"));
        }
        let workloads = self.scenario.workloads.len();
        match self.faults.iter().find(|fault| fault.at.workload >= workloads) {
            Some(fault) => {
                Err(format!("fault {fault} is about workload {}, of {workloads}", fault.at.workload))
            }
            None => self.check_rounds(),
        }
    }

    fn check_rounds(&self) -> Result<(), String> {
        let rounds = |fault: &Fault| self.scenario.workloads[fault.at.workload].rounds;
        match self.faults.iter().find(|fault| fault.at.round >= rounds(fault)) {
            Some(fault) => {
                let (round, rounds) = (fault.at.round, rounds(fault));
                Err(format!("fault {fault} is about migration {round} of its workload, of {rounds}"))
            }
            None => Ok(()),
        }
    }

    /// As it is saved.
    pub fn to_json(&self) -> String {
        // A plan holds numbers, words and lists of them: there is nothing that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl From<Scenario> for Plan {
    fn from(scenario: Scenario) -> Self {
        Self { scenario, faults: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_an_instant_has_no_duration() {
        for kind in FaultKind::all() {
            let lasting = Fault { lasts_ms: 1, ..Fault::new(kind, Step::Asked) };
            let checked = Plan::calm(1).with(lasting).check();
            assert_eq!(checked.is_ok(), kind.lasts(), "{checked:?}");
            assert_eq!(Plan::calm(1).with(Fault::new(kind, Step::Asked)).check(), Ok(()), "{kind}");
        }
    }
}
