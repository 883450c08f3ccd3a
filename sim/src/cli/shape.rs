use std::{ffi::OsString, path::PathBuf};

use anyhow::bail;
use clap::Args;

use crate::{
    plan::{Fault, Plan, Scenario},
    world::Mistake,
};

/// Enough for one migration.
const NODES: u16 = 2;

/// What a run is made of.
#[derive(Args, Clone)]
pub(super) struct Shape {
    /// What all randomness is drawn from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The seed's own scenario and faults
    #[arg(long, conflicts_with_all = ["rate", "producers", "mistake", "plan"])]
    random: bool,
    /// A plan that was saved, or a file of sim/corpus
    #[arg(long, conflicts_with_all = ["seed", "rate", "producers", "mistake"])]
    plan: Option<PathBuf>,
    /// Messages per second, of all producers together
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    rate: f64,
    /// How many producers publish
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    producers: u32,
    /// How many nodes the cluster has
    #[arg(long, default_value_t = NODES, conflicts_with_all = ["random", "plan"], value_parser = clap::value_parser!(u16).range(2..=16))]
    nodes: u16,
    /// What breaks: kind@step, such as crash-operator@Replaying; may be given several times
    #[arg(long)]
    fault: Vec<Fault>,
    /// What the user got wrong; `cargo sim mistakes` lists them
    #[arg(long, hide_possible_values = true)]
    mistake: Option<Mistake>,
}

impl Shape {
    /// The plan that was named.
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = match &self.plan {
            Some(file) => Plan::load(file)?,
            None if self.random => Plan::random(self.seed),
            None => {
                let scenario = Scenario::new(self.seed).at_rate(self.rate, self.producers);
                Scenario { mistake: self.mistake, nodes: usize::from(self.nodes), ..scenario }.into()
            }
        };
        plan.faults.extend(self.fault.iter().cloned());
        match plan.check() {
            Ok(()) => Ok(plan),
            Err(problem) => bail!("{problem}"),
        }
    }

    /// Whether it is a plan in a file, and nothing else.
    pub(super) fn is_saved(&self) -> bool {
        self.plan.is_some() && self.fault.is_empty()
    }

    /// The command line that runs it.
    pub(super) fn command(&self) -> String {
        let words = self.words(self.seed).into_iter().map(|word| format!(" {}", word.replacen('=', " ", 1)));
        std::iter::once("cargo sim run".to_owned()).chain(words).collect()
    }

    /// The name of its plan where it fails: another for whatever else is run, so that no failure takes the place of another.
    pub(super) fn name(&self) -> String {
        let words = self.words(self.seed);
        let words = words.iter().map(|word| word.trim_start_matches('-'));
        std::iter::once("run").chain(words).collect::<Vec<_>>().join("-")
    }

    /// The arguments that make a process of its own run it, with another seed unless a plan is named, which has its own.
    pub(super) fn args(&self, seed: u64) -> Vec<OsString> {
        self.words(seed).into_iter().map(OsString::from).collect()
    }

    fn words(&self, seed: u64) -> Vec<String> {
        let mut args = match &self.plan {
            Some(file) => vec![format!("--plan={}", file.display())],
            None => vec![format!("--seed={seed}")],
        };
        if self.random {
            args.push("--random".to_owned());
        } else if self.plan.is_none() {
            args.extend([format!("--rate={}", self.rate), format!("--producers={}", self.producers)]);
            args.extend((self.nodes != NODES).then(|| format!("--nodes={}", self.nodes)));
        }
        args.extend(self.fault.iter().map(|fault| format!("--fault={fault}")));
        args.extend(self.mistake.map(|mistake| format!("--mistake={mistake}")));
        args
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is between 0.1 and 10000 messages per second".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        shape: Shape,
    }

    #[test]
    fn what_is_another_run_has_another_name() {
        let name = |line: &[&str]| {
            let line = Line::parse_from(std::iter::once("sim").chain(line.iter().copied()));
            line.shape.name()
        };
        assert_eq!(name(&["--random", "--seed", "3"]), "run-seed=3-random");
        let (one, other) = (name(&["--fault", "cancel@Pending"]), name(&["--fault", "cancel@Replaying"]));
        assert_eq!(one, "run-seed=0-rate=10-producers=3-fault=cancel@Pending");
        assert_ne!(one, other);
    }

    #[test]
    fn another_process_runs_the_same_plan_and_with_another_seed_the_same_shape() {
        let args = |line: &[&str]| {
            let line = Line::parse_from(std::iter::once("sim").chain(line.iter().copied()));
            line.shape.args(7).into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            args(&["--plan", "x.json", "--fault", "kill-target@Replaying"]),
            ["--plan=x.json", "--fault=kill-target@Replaying"]
        );
        assert_eq!(args(&["--random", "--seed", "3"]), ["--seed=7", "--random"]);
        assert_eq!(args(&["--rate", "60"]), ["--seed=7", "--rate=60", "--producers=3"]);
        assert_eq!(args(&["--nodes", "3"]), ["--seed=7", "--rate=10", "--producers=3", "--nodes=3"]);
    }
}
