//! The program `ms2m`: operator, transfer Job and resource definition in one binary, so that one image is enough.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    cli::Cli::parse().run().await
}
