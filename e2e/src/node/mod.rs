//! A node: a containerd with runc and CRIU, in namespaces of its own, with a Debian of its own as its root.
//!
//! A checkpoint is restored in there only, by runc only: a runtime that goes wrong reaches nothing but its node.

mod cgroups;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};

pub(crate) use cgroups::Cgroups;

use crate::{
    cri::Cri,
    local::{
        network::{Network, pods_of},
        remains::note_namespaces,
    },
    process::{Process, patiently, run},
};

/// What the first process of a node runs.
const INIT: &str = include_str!("init.sh");
/// How long a node may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node needs from outside.
pub(crate) struct NodeConfig<'a> {
    /// 1 for the first.
    pub(crate) number: u8,
    /// Debian root with containerd, runc, CRIU and CNI plugins.
    pub(crate) image: &'a Path,
    /// Folder of the run.
    pub(crate) work: &'a Path,
    /// Certificate authority of the registry.
    pub(crate) ca: &'a Path,
    /// Sandbox image.
    pub(crate) pause_image: &'a str,
    pub(crate) cgroups: &'a Cgroups,
    pub(crate) network: &'a Network,
}

/// A node that is up; it ends with this value.
pub(crate) struct Node {
    /// Name of the node.
    pub(crate) name: String,
    /// Its root, as seen from here.
    pub(crate) root: PathBuf,
    /// Its containerd.
    pub(crate) cri: Cri,
    init: Process,
}

impl Node {
    /// Starts a node, and waits until its containerd and its network are ready.
    pub(crate) async fn up(config: &NodeConfig<'_>) -> anyhow::Result<Self> {
        let name = format!("node-{}", config.number);
        let data = config.work.join(&name);
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let init = Self::init(config, &name, &data)?;
        let pid =
            patiently(PATIENCE, &format!("the first process of {name}"), async || first_child(init.id()))
                .await
                .with_context(|| init.log_tail())?;
        note_namespaces(config.work, &pid.to_string())?;
        config.network.attach(config.number, pid).await?;
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let cri = Cri::at(root.join("run/containerd/containerd.sock"));
        let node = Self { name, root, cri, init };
        node.ready().await?;
        Ok(node)
    }

    fn init(config: &NodeConfig<'_>, name: &str, data: &Path) -> anyhow::Result<Process> {
        let node_cgroups = config.cgroups.of_node(name);
        // First into the cgroups, then into the namespaces: a cgroup namespace is rooted where its maker is.
        let enter = r#"for procs in $1; do echo $$ > "$procs"; done; shift; exec unshare \
            --net --mount --uts --ipc --cgroup --pid --fork --kill-child=KILL --mount-proc sh -c "$@""#;
        let words = [
            "-c".to_owned(),
            enter.to_owned(),
            "node".to_owned(),
            node_cgroups.join(" "),
            INIT.to_owned(),
            name.to_owned(),
            name.to_owned(),
            config.image.display().to_string(),
            data.display().to_string(),
            pods_of(config.number),
            config.ca.display().to_string(),
            config.cgroups.controllers().join(" "),
        ];
        let environment = [("PAUSE_IMAGE", config.pause_image)];
        Process::start("sh", &words, &environment, &config.work.join(format!("{name}.log")))
    }

    async fn ready(&self) -> anyhow::Result<()> {
        patiently(PATIENCE, &format!("containerd on {}", self.name), async || {
            match self.cri.not_ready().await {
                Ok(missing) if missing.is_empty() => Ok(()),
                Ok(missing) => Err(io::Error::other(missing.join("; "))),
                Err(status) => Err(io::Error::other(status.message().to_owned())),
            }
        })
        .await
        .with_context(|| self.init.log_tail())
    }

    /// Checks that the machine has what nodes are made of; says what to do when not.
    pub(crate) fn check_image(image: &Path) -> anyhow::Result<()> {
        for program in ["usr/bin/containerd", "usr/sbin/runc", "usr/sbin/criu", "usr/lib/cni/bridge"] {
            if !image.join(program).exists() {
                bail!(
                    "{} is missing: run scripts/install-local-deps.sh once, as root",
                    image.join(program).display()
                );
            }
        }
        Ok(())
    }
}

/// The process that `unshare` made: it is the first of its PID namespace.
fn first_child(unshare: u32) -> io::Result<u32> {
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"))?;
    let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    child.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has not started"))
}

/// Enters a network namespace, and configures an interface there.
pub(crate) async fn ip_in(pid: u32, words: &[&str]) -> anyhow::Result<()> {
    let pid = pid.to_string();
    let mut all = vec!["-t", &pid, "-n", "--", "ip"];
    all.extend(words);
    run("nsenter", &all).await
}
