use std::{fs, io, path::PathBuf};

use anyhow::Context as _;

/// Where cgroups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// The controllers that a node uses, where each has a hierarchy of its own.
const CONTROLLERS: [&str; 8] = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];

/// How this machine arranges cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// One hierarchy per controller (version 1).
    PerController,
    /// One for all (version 2).
    Unified,
}

impl Hierarchy {
    /// Of this machine.
    pub(crate) fn here() -> Self {
        if PathBuf::from(MOUNT).join("cgroup.controllers").exists() {
            Self::Unified
        } else {
            Self::PerController
        }
    }
}

/// The cgroups of one run: made before its nodes, removed after them.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    run: String,
    hierarchy: Hierarchy,
}

impl Cgroups {
    /// The cgroups of the run of that name.
    pub(crate) fn of_run(run: &str) -> Self {
        Self { run: run.to_owned(), hierarchy: Hierarchy::here() }
    }

    /// The controllers to mount in a node; none where there is one hierarchy for all.
    pub(crate) fn controllers(&self) -> Vec<&'static str> {
        match self.hierarchy {
            Hierarchy::PerController => {
                CONTROLLERS.into_iter().filter(|name| PathBuf::from(MOUNT).join(name).is_dir()).collect()
            }
            Hierarchy::Unified => Vec::new(),
        }
    }

    fn roots(&self) -> Vec<PathBuf> {
        let mount = PathBuf::from(MOUNT);
        match self.hierarchy {
            Hierarchy::PerController => {
                self.controllers().into_iter().chain(["systemd"]).map(|name| mount.join(name)).collect()
            }
            Hierarchy::Unified => vec![mount],
        }
    }

    fn folder(&self, node: &str) -> String {
        format!("{}-{node}", self.run)
    }

    /// Makes those of a node.
    pub(crate) fn make(&self, node: &str) -> anyhow::Result<()> {
        for root in self.roots() {
            let folder = root.join(self.folder(node));
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the cgroup {}", folder.display()))?;
            // A new cpuset has no processor, and nothing can be put into it.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let Ok(inherited) = fs::read_to_string(root.join(file)) {
                    fs::write(folder.join(file), inherited.trim())
                        .with_context(|| format!("cannot set {file} of {}", folder.display()))?;
                }
            }
        }
        Ok(())
    }

    /// The files that a process is written into to join a node's cgroups.
    pub(crate) fn of_node(&self, node: &str) -> Vec<String> {
        let folders = self.roots().into_iter().map(|root| root.join(self.folder(node)).join("cgroup.procs"));
        folders.map(|path| path.display().to_string()).collect()
    }

    /// Removes those of the run, deepest first. Nothing may run in them any more.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        for root in self.roots() {
            for entry in fs::read_dir(&root)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(&format!("{}-", self.run)) {
                    remove_tree(entry.path())
                        .with_context(|| format!("cannot remove the cgroup {}", entry.path().display()))?;
                }
            }
        }
        Ok(())
    }
}

/// The files in a cgroup cannot be removed, nor need they be.
fn remove_tree(folder: PathBuf) -> io::Result<()> {
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
