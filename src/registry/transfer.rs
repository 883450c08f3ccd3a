//! `ms2m transfer`: does what the flags ask for, and reports it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use ms2m_app::seeded_bug::{self, SeededBug};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::{
    archive::Archive,
    archive_folder::{delete_archives, newest_archive},
    connection::Connection,
    delete::{DeletedImage, delete},
    error::TransferError,
    flags::{ArchiveChoice, Task, Transfer, TransferFlags},
    node::{Node, ThisNode},
    push::push,
    report::{Cleaned, Pushed, TransferReport},
};

/// Runs the command, prints its report as one line of JSON, and puts it into the termination message.
pub async fn run(flags: TransferFlags) -> ExitCode {
    let report = execute(&flags).await.unwrap_or_else(|error| TransferReport::Error(error.failure()));
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

/// Does what the flags ask for on that node, unless it takes longer than they allow.
pub async fn carry_out(flags: &TransferFlags, node: &dyn Node) -> Result<TransferReport, TransferError> {
    let Transfer { task, timeout } = flags.resolve(node)?;
    let work = async {
        match task {
            Task::Push { archive, expected, connection } => {
                let started = Instant::now();
                let archive = open(node, &archive)?;
                archive.expect(&expected)?;
                pushed(started, &connection, archive).await
            }
            Task::Clean { image, archives } => clean(node, image.as_deref(), archives).await,
        }
    };
    let seconds = timeout.as_secs();
    tokio::time::timeout(timeout, work).await.unwrap_or(Err(TransferError::DeadlineExceeded { seconds }))
}

/// Does it, unless a signal says otherwise. As the first process of a container, this program is
/// killed by no signal that it does not listen to.
async fn execute(flags: &TransferFlags) -> Result<TransferReport, TransferError> {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return Err(TransferError::Interrupted) };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return Err(TransferError::Interrupted) };
    tokio::select! {
        biased;
        _ = terminate.recv() => Err(TransferError::Interrupted),
        _ = interrupt.recv() => Err(TransferError::Interrupted),
        done = carry_out(flags, &ThisNode) => done,
    }
}

fn open(node: &dyn Node, choice: &ArchiveChoice) -> Result<Archive, TransferError> {
    Ok(match choice {
        ArchiveChoice::Path(path) => Archive::open(node, path)?,
        ArchiveChoice::NewestIn(folder, container_id) => newest_archive(node, folder, container_id)?,
    })
}

async fn pushed(
    started: Instant,
    connection: &Connection,
    archive: Archive,
) -> Result<TransferReport, TransferError> {
    let archive = Arc::new(archive);
    let image = push(connection, archive.clone()).await?;
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
    node: &dyn Node,
    image: Option<&Connection>,
    archives: Option<(PathBuf, String)>,
) -> Result<TransferReport, TransferError> {
    let started = Instant::now();
    let local =
        archives.map(|(folder, container_id)| delete_archives(node, &folder, &container_id)).transpose();
    let remote = match image {
        Some(connection) => match delete(connection).await {
            Err(_) if seeded_bug::is(SeededBug::ForgetImage) => Some(DeletedImage::ALREADY_GONE),
            done => Some(done?),
        },
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
