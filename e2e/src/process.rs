//! Programs that a run starts, and waits for.

use std::{
    fmt::Display,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How often something is asked that tells nobody when it is there.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How many lines of a log an error shows.
const TAIL: usize = 15;

/// A program in the background, with its output in a file; killed with this value.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its process id; 0 once it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// The most memory that it ever had resident, in KiB, as the kernel says (`VmHWM` of proc(5)).
    pub(crate) fn resident_max_kib(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        field(&status, "VmHWM:").with_context(|| format!("{path} has no VmHWM"))
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill a process")
    }

    /// Waits until it has ended of itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        self.child.wait().await?;
        Ok(())
    }

    /// The end of what it printed, for an error.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
        format!("the end of {}:\n  {tail}", self.log.display())
    }
}

/// Runs a program to its end.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

/// Asks until there is an answer: for what gives no sign when it is ready.
pub(crate) async fn patiently<T, E: Display>(
    patience: Duration,
    what: &str,
    ask: impl AsyncFn() -> Result<T, E>,
) -> anyhow::Result<T> {
    let end = Instant::now() + patience;
    loop {
        let last = match timeout(patience, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= end {
            bail!("{what} was not there within {} s: {last}", patience.as_secs());
        }
        sleep(ASK_AGAIN).await;
    }
}

/// A number in a status file of /proc.
pub(crate) fn field<T: FromStr>(text: &str, name: &str) -> Option<T> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
