use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    determinism::{PROCESSOR, wall_clock},
    plan::Plan,
};

/// A run that takes longer in real time hangs: the slowest take half a minute, and a few times that on a busy machine.
pub(super) const HANGS_AFTER: Duration = Duration::from_mins(15);
/// Environment variable of a process whose end somebody waits for.
pub(super) const SUPERVISED: &str = "MS2M_SIM_SUPERVISED";

/// How runs are started: this program again, as `run --json`.
#[derive(Clone, Debug)]
pub struct Child {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What kind of end it was.
    pub class: Class,
    /// What it said; nothing where it crashed.
    pub summary: Summary,
    /// The end of what it wrote to standard error.
    pub complaint: String,
    /// Real time.
    pub wall: Duration,
}

/// Kinds of ends; the later, the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Every invariant held.
    #[default]
    Holds,
    /// Something good did not happen in time.
    Liveness,
    /// Something bad happened.
    Safety,
    /// The run itself ended without a verdict.
    Crash,
}

impl Class {
    /// The exit code that tells it.
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Safety => 1,
            Self::Liveness => 3,
            Self::Crash => 4,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Liveness => "liveness broken",
            Self::Safety => "safety broken",
            Self::Crash => "crashed",
        })
    }
}

/// The part of a verdict that whoever looks at many needs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Where the first migration ended.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// How long nobody owned its queue.
    pub pause_ms: Option<u64>,
    /// From its start to its end.
    pub total_ms: Option<u64>,
    /// The same workload's migrations before it.
    pub earlier: Vec<WorkloadSummary>,
    /// Each of several.
    pub workloads: Vec<WorkloadSummary>,
    /// What was broken on purpose.
    pub faults: Vec<String>,
    /// Which invariants broke.
    pub violations: Vec<Broken>,
    /// Why a loss is nobody's fault.
    pub excuse: Option<String>,
    /// Points that were reached.
    pub reached: BTreeSet<String>,
    /// Messages published.
    pub published: u64,
    /// How many of the faults have struck something.
    pub struck: usize,
    /// How many found nothing to strike.
    #[serde(default)]
    pub in_vain: usize,
}

/// One of several migrations.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadSummary {
    /// Its name.
    pub name: String,
    /// Where it ended.
    pub outcome: String,
    /// How long nobody owned its queue.
    pub pause_ms: Option<u64>,
    /// From its start to its end.
    pub total_ms: Option<u64>,
    /// The same workload's migrations before it.
    pub earlier: Vec<Self>,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Broken {
    /// Its name.
    pub invariant: String,
    /// When it was noticed.
    pub at_ms: u64,
    /// What was the case.
    pub message: String,
}

impl Child {
    /// This very program.
    pub fn this_program() -> std::io::Result<Self> {
        Ok(Self::of(std::env::current_exe()?))
    }

    /// Another program with the same command line.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), environment: Vec::new() }
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a seed's own plan.
    pub fn seed(&self, seed: u64, processor: usize) -> Outcome {
        self.run(&["--random".into(), format!("--seed={seed}").into()], processor)
    }

    /// Runs a plan that is saved.
    pub fn plan(&self, file: &Path, processor: usize) -> Outcome {
        self.run(&["--plan".into(), file.into()], processor)
    }

    /// Runs a plan that is put into a file for it.
    pub fn saved(&self, plan: &Plan, file: &Path, processor: usize) -> std::io::Result<Outcome> {
        std::fs::write(file, plan.to_json())?;
        Ok(self.plan(file, processor))
    }

    /// Runs `run --json --untraced` with arguments.
    pub fn run(&self, arguments: &[OsString], processor: usize) -> Outcome {
        let began = wall_clock();
        let crashed = |complaint: String| Outcome {
            class: Class::Crash,
            summary: Summary::default(),
            complaint,
            wall: wall_clock().saturating_sub(began),
        };
        let mut command = self.command(&["--json", "--untraced"], arguments, processor);
        // Of what it says only the end is kept: the place of a panic, and not the stack behind it.
        command.env("RUST_BACKTRACE", "0");
        match wait(&mut command) {
            Ok((Some(code @ (0 | 1 | 3)), out, complaint)) => {
                let class = match code {
                    0 => Class::Holds,
                    1 => Class::Safety,
                    _ => Class::Liveness,
                };
                match serde_json::from_slice(&out) {
                    Ok(summary) => {
                        Outcome { class, summary, complaint, wall: wall_clock().saturating_sub(began) }
                    }
                    Err(error) => crashed(format!("its verdict cannot be read: {error}")),
                }
            }
            Ok((_, _, complaint)) => crashed(complaint),
            Err(error) => crashed(format!("it cannot be started: {error}")),
        }
    }

    /// The lines of a run's trace.
    pub fn trace(&self, arguments: &[OsString], processor: usize) -> std::io::Result<Vec<String>> {
        let (code, out, complaint) = wait(&mut self.command(&["--trace"], arguments, processor))?;
        if !matches!(code, Some(0 | 1 | 3)) {
            return Err(std::io::Error::other(format!("it ended without a verdict: {complaint}")));
        }
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }

    fn command(&self, form: &[&str], arguments: &[OsString], processor: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").args(form).args(arguments);
        command.env(PROCESSOR, processor.to_string()).env(SUPERVISED, "1");
        // Ctrl-C is for whoever started it, and who may want to hear the end of it.
        command.process_group(0);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Exit code, standard output, and the end of standard error; an error of kind `TimedOut` when it hangs.
fn wait(command: &mut Command) -> std::io::Result<(Option<i32>, Vec<u8>, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let read = |from: Option<&mut (dyn std::io::Read + Send)>| {
            let mut bytes = Vec::new();
            if let Some(from) = from {
                // What a dying process did not write is not there to be read.
                let _ = from.read_to_end(&mut bytes);
            }
            bytes
        };
        let err = scope.spawn(move || read(err.as_mut().map(|err| err as _)));
        let out = scope.spawn(move || read(out.as_mut().map(|out| out as _)));
        let status = wait_for(&mut child, HANGS_AFTER);
        let complaint = err.join().unwrap_or_default();
        let out = out.join().unwrap_or_default();
        let from = complaint.len().saturating_sub(2_000);
        let complaint = String::from_utf8_lossy(&complaint[from..]).trim().to_owned();
        match status? {
            Some(status) => Ok((status.code(), out, complaint)),
            None => Ok((None, out, format!("it hung; {complaint}"))),
        }
    })
}

/// None when it had not ended after so long, and was killed.
#[allow(clippy::disallowed_methods, reason = "real time of a real process")]
pub(super) fn wait_for(
    child: &mut std::process::Child,
    limit: Duration,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // There is no wait with a time limit; the pauses are short beside a run.
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
