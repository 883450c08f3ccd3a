//! `cargo e2e`: a migration on real parts, with the same assertions as in the simulation.
#![forbid(unsafe_code)]

mod cri;
mod image;
mod local;
mod node;
mod process;
mod runtime;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A migration on real parts: RabbitMQ, an OCI registry, containerd, runc and CRIU
#[derive(Parser)]
#[command(name = "cargo e2e", bin_name = "cargo e2e")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run one migration under traffic on this machine (Linux, root), and leave nothing behind
    Local(local::Options),
    /// The same from within the run's own namespaces
    #[command(hide = true)]
    Inside(local::InsideOptions),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Local(options) => local::run(&options),
        Task::Inside(options) => local::run_inside(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
