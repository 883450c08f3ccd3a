//! `ms2m transfer`: does what the flags ask for, and reports it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::{
    archive::Archive,
    archive_folder::{delete_archives, newest_archive},
    connection::Connection,
    delete::delete,
    error::TransferError,
    flags::{ArchiveChoice, Task, Transfer, TransferFlags},
    push::push,
    report::{Cleaned, Pushed, TransferReport},
};

/// Runs the command, prints its report as one line of JSON, and puts it into the termination message.
pub async fn run(flags: TransferFlags) -> ExitCode {
    let report = match flags.resolve() {
        Ok(transfer) => execute(transfer).await,
        Err(error) => Err(error),
    };
    let report = report.unwrap_or_else(|error| TransferReport::Error(error.failure()));
    let line = report.to_line();
    // Whoever reads neither can still read the exit code.
    let _ = writeln!(std::io::stdout(), "{line}");
    if let Some(path) = &flags.termination_log
        && let Err(error) = write_report(path, &line)
    {
        tracing::error!(path = %path.display(), %error, "the termination message could not be written");
    }
    ExitCode::from(report.exit_code())
}

/// Does it, unless it takes too long or a signal says otherwise. As the first process of a container, this program is
/// killed by no signal that it does not listen to.
async fn execute(transfer: Transfer) -> Result<TransferReport, TransferError> {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return Err(TransferError::Interrupted) };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return Err(TransferError::Interrupted) };
    let seconds = transfer.timeout.as_secs();
    let work = async {
        match transfer.task {
            Task::Push { archive, expected, connection } => {
                let started = Instant::now();
                let archive = open(&archive)?;
                archive.expect(&expected)?;
                pushed(started, &connection, &archive).await
            }
            Task::Clean { image, archives } => clean(image.as_deref(), archives).await,
        }
    };
    tokio::select! {
        biased;
        _ = terminate.recv() => Err(TransferError::Interrupted),
        _ = interrupt.recv() => Err(TransferError::Interrupted),
        done = tokio::time::timeout(transfer.timeout, work) =>
            done.unwrap_or(Err(TransferError::DeadlineExceeded { seconds })),
    }
}

fn open(choice: &ArchiveChoice) -> Result<Archive, TransferError> {
    Ok(match choice {
        ArchiveChoice::Path(path) => Archive::open(path)?,
        ArchiveChoice::NewestIn(folder, container_id) => newest_archive(folder, container_id)?,
    })
}

async fn pushed(
    started: Instant,
    connection: &Connection,
    archive: &Archive,
) -> Result<TransferReport, TransferError> {
    let image = push(connection, archive).await?;
    Ok(TransferReport::Pushed(Pushed {
        image: image.reference,
        digest: image.digest,
        bytes: archive.bytes(),
        attempts: image.attempts,
        archive: archive.identity().clone(),
        duration_ms: milliseconds_since(started),
    }))
}

/// The archives first: they need no network. A registry that fails does not keep them on the node.
async fn clean(
    image: Option<&Connection>,
    archives: Option<(PathBuf, String)>,
) -> Result<TransferReport, TransferError> {
    let started = Instant::now();
    let local = archives.map(|(folder, container_id)| delete_archives(&folder, &container_id)).transpose();
    let remote = match image {
        Some(connection) => Some(delete(connection).await?),
        None => None,
    };
    let local = local?;
    Ok(TransferReport::Cleaned(Cleaned {
        image: remote.map(|remote| remote.image),
        blobs_deleted: remote.map_or(0, |remote| remote.blobs_deleted),
        archives_deleted: local.map_or(0, |local| local.deleted),
        archives_unidentified: local.map_or(0, |local| local.unidentified),
        duration_ms: milliseconds_since(started),
    }))
}

fn milliseconds_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// In place, because a kubelet mounts the file itself into the container.
fn write_report(path: &Path, line: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(line.as_bytes())
}
