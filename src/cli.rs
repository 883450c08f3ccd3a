//! The command line: one subcommand per role. Each role owns its flags.

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use kube::CustomResourceExt as _;
use ms2m::{api::StatefulMigration, operator, registry};
use tracing_subscriber::EnvFilter;

/// Live migration of stateful, message-driven pods on Kubernetes, with their RAM and without losing a message.
#[derive(Parser)]
#[command(name = "ms2m", version)]
pub(crate) struct Cli {
    /// Log filter, such as `info` or `ms2m=debug`. The log goes to the standard error.
    #[arg(long, global = true, env = "MS2M_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    Operator(Box<operator::flags::OperatorFlags>),
    /// Push a checkpoint archive as an image, or delete both again; runs in a Job on the node that has the archive
    Transfer(Box<registry::flags::TransferFlags>),
    /// Print the definition of the resource (CRD) as YAML
    Crd,
}

impl Cli {
    /// Runs the role that was asked for.
    pub(crate) async fn run(self) -> ExitCode {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&self.log))
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
        match self.role {
            Role::Operator(flags) => operator::flags::run(*flags).await,
            Role::Transfer(flags) => registry::transfer::run(*flags).await,
            Role::Crd => print_crd(),
        }
    }
}

fn print_crd() -> ExitCode {
    let definition = match serde_saphyr::to_string(&StatefulMigration::crd()) {
        Ok(definition) => definition,
        Err(error) => {
            tracing::error!(%error, "the definition cannot be written as YAML");
            return ExitCode::FAILURE;
        }
    };
    // A reader that closes the pipe early is no failure of ours, but the output is not complete.
    match std::io::stdout().write_all(definition.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
