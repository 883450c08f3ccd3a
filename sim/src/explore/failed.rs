use std::fmt;

use super::{Broken, Class};

/// How much of a message is told; some name every message of a run.
const TOLD_MAX: usize = 300;

/// A run of a sweep that broke something.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// What kind of end it was.
    pub class: Class,
    /// Which invariants broke.
    pub broken: Vec<Broken>,
    /// What it wrote to standard error, where it crashed.
    pub complaint: String,
    /// How many migrations it had.
    pub migrations: usize,
    /// What was broken on purpose.
    pub faults: Vec<String>,
    /// The file of its plan.
    pub plan: String,
}

impl Failed {
    /// The command line that fails in the same way.
    pub fn command(&self) -> String {
        format!("cargo sim run --random --seed {}", self.seed)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.class)?;
        for broken in &self.broken {
            let message: String = broken.message.chars().take(TOLD_MAX).collect();
            write!(f, "\n  {} at {} ms: {message}", broken.invariant, broken.at_ms)?;
        }
        if self.class == Class::Crash {
            write!(f, "\n  {}", self.complaint)?;
        }
        let (migrations, faults) = (self.migrations, self.faults.join(" "));
        let (command, plan) = (self.command(), &self.plan);
        write!(f, "\n  {migrations} migrations, faults: {faults}\n  REPRODUCE WITH: {command}   plan: {plan}")
    }
}
