//! The outside of a run: it makes the namespaces that everything else is in, so that nothing can be left behind, and
//! removes the little that namespaces do not.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use ms2m_sim::nested_cargo::nested_cargo;
use tokio::signal::unix::{SignalKind, signal};

use super::{Options, control_plane::ControlPlane, remains::Belongings, servers};
use crate::{
    node::{Cgroups, Node},
    process::field,
};

/// Where nodes' Debian is, and the folders of runs.
const HOME: &str = "/var/lib/ms2m-e2e";
/// How long the inside may take to end by itself after it was told to.
const GRACE: Duration = Duration::from_secs(20);
/// Programs that make namespaces and networks.
const TOOLS: [&str; 6] = ["unshare", "nsenter", "ip", "pivot_root", "mount", "ldd"];

/// The Debian that nodes run.
pub(super) fn node_image() -> PathBuf {
    Path::new(HOME).join("node-image")
}

/// Runs a migration in namespaces of its own. True when everything held.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    check_machine()?;
    let programs = build_programs()?;
    remove_dead_runs()?;
    let run = Run::begin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run.inside(&programs, options));
    run.end(options.keep)?;
    result
}

fn check_machine() -> anyhow::Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    if field::<u32>(&status, "Uid:") != Some(0) {
        bail!("containers, namespaces and CRIU need root: run this as root");
    }
    let path = env::var_os("PATH").unwrap_or_default();
    for tool in TOOLS {
        if !env::split_paths(&path).any(|folder| folder.join(tool).exists()) {
            bail!("{tool} is missing: run scripts/install-local-deps.sh once, as root");
        }
    }
    servers::check_installed()?;
    ControlPlane::check_assets()?;
    Node::check_image(&node_image())
}

/// Builds ms2m and counter beside this program, where cargo started it. Returns their folder.
fn build_programs() -> anyhow::Result<PathBuf> {
    let here = env::current_exe()?.parent().context("this program is in a folder")?.to_owned();
    if let Some(cargo) = env::var_os("CARGO") {
        let release = here.file_name().is_some_and(|name| name == "release");
        let mut build = nested_cargo(cargo);
        build.args(["build", "--quiet", "--bin", "ms2m", "--bin", "counter"]);
        build.args(release.then_some("--release"));
        if !build.status().context("cannot run cargo")?.success() {
            bail!("the operator and the counter could not be built");
        }
    }
    for program in ["ms2m", "counter"] {
        if !here.join(program).exists() {
            bail!("{} is missing: use `cargo e2e`, which builds it", here.join(program).display());
        }
    }
    Ok(here)
}

/// One run's folder and cgroups, both named after this process.
struct Run {
    folder: PathBuf,
    cgroups: Cgroups,
}

impl Run {
    fn name(pid: u32) -> String {
        format!("ms2m-e2e-{pid}")
    }

    fn begin() -> anyhow::Result<Self> {
        let name = Self::name(std::process::id());
        let folder = Path::new(HOME).join(&name);
        // A checkpoint holds a process's memory: for root only, as a kubelet keeps it.
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let cgroups = Cgroups::of_run(&name);
        for node in super::cluster::NODES {
            cgroups.make(node)?;
        }
        Ok(Self { folder, cgroups })
    }

    /// Runs the inside to its end. Whatever ends this process ends it, too: it reads its standard input, which breaks.
    async fn inside(&self, programs: &Path, options: &Options) -> anyhow::Result<bool> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut inside = tokio::process::Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--uts",
                "--ipc",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "--mount-proc",
            ])
            .arg(env::current_exe()?)
            .arg("inside")
            .args([format!("--work={}", self.folder.display()), format!("--programs={}", programs.display())])
            .args(options.words())
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run unshare")?;
        let line = inside.stdin.take();
        tokio::select! {
            status = inside.wait() => return verdict(status?.code()),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        drop(line);
        match tokio::time::timeout(GRACE, inside.wait()).await {
            Ok(status) => verdict(status?.code()),
            Err(_) => {
                inside.kill().await?;
                bail!("interrupted")
            }
        }
    }

    fn end(&self, keep: bool) -> anyhow::Result<()> {
        remove(&self.cgroups)?;
        let belongings = Belongings::of_run(&self.folder)?;
        if keep {
            eprintln!("kept: {}", self.folder.display());
        } else {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        // The kernel takes namespaces down a moment after their last process has ended.
        shortly(|| match belongings.remaining()? {
            left if left.is_empty() => Ok(()),
            left => bail!("this run left something behind, please report it: {}", left.join("; ")),
        })
    }
}

fn verdict(code: Option<i32>) -> anyhow::Result<bool> {
    match code {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("the run did not come to a verdict"),
    }
}

/// Removes cgroups. The kernel empties them a moment after the last process in them has ended.
fn remove(cgroups: &Cgroups) -> anyhow::Result<()> {
    shortly(|| cgroups.remove())
}

/// Tries again for 5 seconds what the kernel allows only when it is done with something.
fn shortly(attempt: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(_) if tries < 100 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
}

/// Removes what runs left that were killed before they could.
fn remove_dead_runs() -> anyhow::Result<()> {
    for entry in fs::read_dir(HOME)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("ms2m-e2e-").and_then(|pid| pid.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| !Path::new(&format!("/proc/{pid}")).exists()) else { continue };
        remove(&Cgroups::of_run(&Run::name(pid)))?;
        match fs::remove_dir_all(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", entry.path().display()));
            }
            _ => {}
        }
    }
    Ok(())
}
