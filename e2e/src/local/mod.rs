//! A run on this machine.
//!
//! ```text
//!   enclosure   the process that was started: makes namespaces, waits, removes what is left
//!      └─ world    inside: network, registry, RabbitMQ, API server, two nodes, operator
//!           └─ drive    traffic, the migration, faults, the verdict
//! ```

mod authority;
mod cluster;
mod control_plane;
mod drive;
mod enclosure;
mod evidence;
pub(crate) mod network;
mod objects;
pub(crate) mod remains;
mod servers;
mod world;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use ms2m::api::Phase;

pub(crate) use enclosure::run;
pub(crate) use world::run as run_inside;

/// What a run is made of.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Messages per second, of all producers together
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// How many producers publish
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) producers: u32,
    /// Seconds of traffic before the migration, and again after it
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) duration: u64,
    /// Print one JSON object instead of the timeline
    #[arg(long)]
    pub(crate) json: bool,
    /// Kill the operator when the migration enters the phase, and start it again
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub(crate) kill_operator_at: Option<Phase>,
    /// Kill the source's process when the migration enters the phase
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub(crate) kill_source_at: Option<Phase>,
    /// Keep everything up after the verdict, until Ctrl-C, and then keep the run's folder
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Options {
    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.duration)
    }

    /// The same as words of a command line.
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--rate={}", self.rate),
            format!("--producers={}", self.producers),
            format!("--duration={}", self.duration),
        ];
        words.extend(self.json.then(|| "--json".to_owned()));
        words.extend(self.kill_operator_at.map(|phase| format!("--kill-operator-at={phase:?}")));
        words.extend(self.kill_source_at.map(|phase| format!("--kill-source-at={phase:?}")));
        words.extend(self.keep.then(|| "--keep".to_owned()));
        words
    }
}

/// What the process inside the namespaces is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct InsideOptions {
    /// Folder of the run
    #[arg(long)]
    work: PathBuf,
    /// Folder with the programs ms2m and counter
    #[arg(long)]
    programs: PathBuf,
    #[command(flatten)]
    options: Options,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is between 0.1 and 1000 messages per second".to_owned()),
    }
}

fn phase(text: &str) -> Result<Phase, String> {
    let found = Phase::FORWARD.into_iter().find(|phase| format!("{phase:?}").eq_ignore_ascii_case(text));
    let names = Phase::FORWARD.map(|phase| format!("{phase:?}")).join(", ");
    found.ok_or_else(|| format!("a phase is one of {names}"))
}
