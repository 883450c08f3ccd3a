//! What a run could leave on the machine, asked of the kernel when it is over.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// File in a run's folder in which the namespaces that it made are listed.
const LIST: &str = "namespaces";

/// The namespaces that a process is in, as the kernel calls them: `net:[4026531840]` and the like (namespaces(7)).
fn namespaces_of(process: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(process.join("ns"))? {
        names.insert(fs::read_link(entry?.path())?.to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Puts down the namespaces of a process that the run started.
pub(crate) fn note_namespaces(folder: &Path, pid: &str) -> anyhow::Result<()> {
    let process = Path::new("/proc").join(pid);
    let names = namespaces_of(&process).with_context(|| format!("the namespaces of process {pid}"))?;
    let path = folder.join(LIST);
    let mut list = fs::read_to_string(&path).or_else(or_nothing)?;
    for name in names {
        list.push_str(&name);
        list.push('\n');
    }
    fs::write(&path, list).with_context(|| format!("cannot write {}", path.display()))
}

fn or_nothing(error: io::Error) -> io::Result<String> {
    if error.kind() == io::ErrorKind::NotFound { Ok(String::new()) } else { Err(error) }
}

/// What belongs to one run.
pub(super) struct Belongings {
    folder: PathBuf,
    namespaces: BTreeSet<String>,
}

impl Belongings {
    /// What the run with this folder has put down of itself.
    pub(super) fn of_run(folder: &Path) -> anyhow::Result<Self> {
        let list = fs::read_to_string(folder.join(LIST)).or_else(or_nothing)?;
        // It shares some with whoever started it.
        let ours = namespaces_of(Path::new("/proc/self"))?;
        let namespaces = list.lines().map(str::to_owned).filter(|name| !ours.contains(name)).collect();
        Ok(Self { folder: folder.to_owned(), namespaces })
    }

    /// What is there of it: processes and mounts. A process that cannot be looked at has just ended.
    pub(super) fn remaining(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let process = entry?.path();
            let Ok(names) = namespaces_of(&process) else { continue };
            if let Some(name) = names.intersection(&self.namespaces).next() {
                let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
                found.push(format!("process {} ({}) in {name}", process.display(), command.trim()));
            }
        }
        let folder = self.folder.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let of_run = |line: &&str| {
            line.contains(&folder) || self.namespaces.iter().any(|name| line.contains(name.as_str()))
        };
        found.extend(mounts.lines().filter(of_run).map(|line| format!("mount {line}")));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_a_namespace_of_the_run_is_found() {
        let ours = namespaces_of(Path::new("/proc/self")).expect("this process has some");
        let folder = PathBuf::from("/nowhere/ms2m-e2e-0");
        let run = Belongings { folder, namespaces: ours.iter().take(1).cloned().collect() };
        let found = run.remaining().expect("proc can be read");
        let me = format!("process /proc/{} ", std::process::id());
        assert!(found.iter().any(|found| found.starts_with(&me)), "{found:?}");
    }

    #[test]
    fn a_mount_below_the_folder_is_found_and_nothing_else_is() {
        let run = |folder: &str| Belongings { folder: folder.into(), namespaces: BTreeSet::new() };
        assert!(!run("/proc").remaining().expect("proc can be read").is_empty());
        assert_eq!(run("/nowhere/ms2m-e2e-0").remaining().expect("proc can be read"), Vec::<String>::new());
    }

    #[test]
    fn what_the_run_shares_with_its_starter_does_not_belong_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        note_namespaces(folder.path(), "self").expect("it can be written");
        let run = Belongings::of_run(folder.path()).expect("it can be read");
        assert_eq!(run.remaining().expect("proc can be read"), Vec::<String>::new());
    }
}
