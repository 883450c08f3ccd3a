//! Runs the real program.

use std::{path::PathBuf, process::Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ms2m::registry::report::TransferReport;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    checkpoint_fixture::Checkpoint,
    tiny_registry::{PASSWORD, TinyRegistry, USERNAME},
};

/// A node's folder of archives, and whatever else a transfer is given.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit_code: i32,
    pub(crate) report: TransferReport,
    /// Shown when a test fails.
    #[allow(dead_code, reason = "read by Debug")]
    log: String,
}

impl Node {
    /// With one archive, of the container `5f1c`.
    pub(crate) fn with_archive() -> Self {
        let node = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::write(node.archive(), Checkpoint::of("5f1c").bytes()).expect("written");
        node
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path("checkpoint-pod_default-counter-2026-11-23T18:00:00Z.tar")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The push Secret for `registry`, as it is mounted.
    pub(crate) fn push_secret(&self, registry: &TinyRegistry, password: &str) -> String {
        let entry = serde_json::json!({ "username": USERNAME, "password": password });
        let config = serde_json::json!({ "auths": { registry.host(): entry } });
        let path = self.path("config.json");
        std::fs::write(&path, config.to_string()).expect("written");
        path.display().to_string()
    }

    pub(crate) fn right_secret(&self, registry: &TinyRegistry) -> String {
        self.push_secret(registry, PASSWORD)
    }

    /// `ms2m transfer` that pushes the archive to `registry`.
    pub(crate) fn push(&self, registry: &TinyRegistry, more: &[&str]) -> Command {
        let mut command = self.transfer(&["--plain-http", "--container", "counter"]);
        command.arg("--archive").arg(self.archive());
        command.arg("--image").arg(image_in(registry)).args(more);
        command
    }

    /// `ms2m transfer` that deletes `image`.
    pub(crate) fn delete(&self, image: &str, more: &[&str]) -> Command {
        let mut command = self.transfer(&["--plain-http", "--delete", "--image", image]);
        command.args(more);
        command
    }

    pub(crate) fn transfer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ms2m"));
        command.args(["--log", "trace", "transfer", "--termination-log"]).arg(self.termination_log());
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, mut command: Command) -> Outcome {
        self.outcome_of(command.spawn().expect("started")).await
    }

    /// Waits for the end; the report in the termination message is the one on the standard output, and no secret is in
    /// the log, even at its most talkative.
    pub(crate) async fn outcome_of(&self, child: Child) -> Outcome {
        let output = child.wait_with_output().await.expect("ended");
        let stdout = String::from_utf8(output.stdout).expect("text");
        let message = std::fs::read_to_string(self.termination_log()).expect("a termination message");
        assert_eq!(stdout.trim(), message);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !log.contains(PASSWORD) && !log.contains(&STANDARD.encode(format!("{USERNAME}:{PASSWORD}"))),
            "{log}"
        );
        let report = TransferReport::from_termination_message(&message).expect("a report");
        Outcome { exit_code: output.status.code().expect("an exit code"), report, log }
    }

    fn termination_log(&self) -> PathBuf {
        self.folder.path().join("termination-log")
    }
}

pub(crate) fn image_in(registry: &TinyRegistry) -> String {
    format!("{}/team/checkpoints:ms2m-uid", registry.host())
}

impl Outcome {
    /// The stable word of a failure, and its sentence.
    pub(crate) fn failure(&self) -> (&'static str, &str) {
        match &self.report {
            TransferReport::Error(failure) => (failure.reason.as_str(), failure.message.as_str()),
            other => panic!("not a failure: {other:?}"),
        }
    }
}
