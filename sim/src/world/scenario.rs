use std::time::Duration;

use super::{Fault, Mistake};

/// What a run is made of; with the seed it decides everything that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What all randomness is drawn from.
    pub seed: u64,
    /// Messages per second, of all producers together.
    pub rate: f64,
    /// How many producers publish.
    pub producers: u32,
    /// How long the application works on one message.
    pub work: Duration,
    /// How many messages may be delivered ahead.
    pub prefetch: u16,
    /// How long messages flow before the migration begins.
    pub warm_up: Duration,
    /// What is broken on purpose.
    pub fault: Option<Fault>,
    /// What the user got wrong.
    pub mistake: Option<Mistake>,
}

impl Scenario {
    /// The default scenario: 10 messages per second of 3 producers, nothing is broken.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rate: 10.0,
            producers: 3,
            work: Duration::from_millis(4),
            prefetch: 16,
            warm_up: Duration::from_secs(2),
            fault: None,
            mistake: None,
        }
    }

    /// The same with a fault.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        if fault == Fault::Overload {
            // A quarter more arrives than can be worked on.
            self.work = Duration::from_secs_f64(1.25 / self.rate);
        }
        self.fault = Some(fault);
        self
    }
}
