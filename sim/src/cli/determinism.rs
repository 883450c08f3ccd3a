use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Shape, print, seeds, write};
use crate::explore::{Child, Comparison, Pool, compare_twice};

/// What `check-determinism` is told.
#[derive(Args)]
pub(super) struct DeterminismArgs {
    /// Seeds, such as `0..10`; the end is not included
    #[arg(long, value_parser = seeds, conflicts_with = "seed")]
    seeds: Range<u64>,
    #[command(flatten)]
    shape: Shape,
    /// Keep so many threads busy meanwhile
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    load: u16,
    /// Compare the hashes with those in this file, too; where there is none, write them
    #[arg(long, value_name = "FILE")]
    hashes: Option<PathBuf>,
    /// How many seeds beside each other; as many as processors where it is left out
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl DeterminismArgs {
    /// Runs every seed twice; the exit code.
    pub(super) fn run(&self) -> anyhow::Result<u8> {
        let over = AtomicBool::new(false);
        let compared = std::thread::scope(|scope| {
            for _ in 0..self.load {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let compared = self.compare();
            over.store(true, Ordering::Relaxed);
            compared
        });
        let (same, hashes) = compared?;
        let as_before = match &self.hashes {
            Some(file) if file.exists() => agree(file, &hashes)?,
            Some(file) => {
                write(file, &said(&hashes))?;
                true
            }
            None => true,
        };
        Ok(u8::from(!same || !as_before))
    }

    /// Whether both runs of every seed were the same, and their hashes.
    fn compare(&self) -> anyhow::Result<(bool, BTreeMap<u64, String>)> {
        let child = Child::this_program()?;
        let (mut same, mut hashes, mut failed) = (true, BTreeMap::new(), None);
        Pool::new(self.jobs.map(usize::from)).each(
            self.seeds.clone(),
            |seed, worker| compare_twice(&child, &self.shape.args(*seed), worker),
            |seed, compared, stop| {
                let told = match compared {
                    Ok(Comparison::Same { lines, hash }) => {
                        let text = format!("seed {seed}: {lines} lines, identical · {hash}\n");
                        hashes.insert(seed, hash);
                        print(&text)
                    }
                    Ok(Comparison::Differs { line, first, second }) => {
                        same = false;
                        print(&format!(
                            "seed {seed}: line {line} differs\n  first   {first}\n  second  {second}\n"
                        ))
                    }
                    Err(error) => Err(error).with_context(|| format!("seed {seed}")),
                };
                if let Err(error) = told {
                    failed.get_or_insert(error);
                    stop.stop();
                }
            },
        );
        failed.map_or(Ok((same, hashes)), Err)
    }
}

fn said(hashes: &BTreeMap<u64, String>) -> String {
    let mut text = String::new();
    for (seed, hash) in hashes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{seed} {hash}");
    }
    text
}

/// Whether the hashes are those that an earlier build wrote down.
fn agree(file: &Path, hashes: &BTreeMap<u64, String>) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut known = BTreeMap::new();
    for line in text.lines() {
        match line.split_once(' ').and_then(|(seed, hash)| Some((seed.parse::<u64>().ok()?, hash))) {
            Some((seed, hash)) => known.insert(seed, hash),
            None => {
                bail!("{}: {line:?} is no seed with its hash; delete the file to begin anew", file.display())
            }
        };
    }
    let mut as_before = true;
    for (seed, hash) in hashes {
        match known.get(seed) {
            Some(before) if before == hash => {}
            Some(before) => {
                as_before = false;
                print(&format!("seed {seed}: {hash} now, {before} in {}\n", file.display()))?;
            }
            None => bail!("{} says nothing of seed {seed}: delete it to begin anew", file.display()),
        }
    }
    print(&format!("{} hashes compared with {}\n", hashes.len(), file.display()))?;
    Ok(as_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(all: &[(u64, &str)]) -> BTreeMap<u64, String> {
        all.iter().map(|(seed, hash)| (*seed, (*hash).to_owned())).collect()
    }

    #[test]
    fn hashes_agree_with_those_that_were_written_down() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("hashes");
        write(&file, &said(&hashes(&[(3, "5f0a"), (4, "77e1"), (5, "0001")]))).expect("it can be written");
        let agreed = |all: &[(u64, &str)]| agree(&file, &hashes(all)).map_err(|error| error.to_string());
        assert_eq!(agreed(&[(3, "5f0a"), (4, "77e1")]), Ok(true), "fewer seeds are no difference");
        assert_eq!(agreed(&[(3, "5f0a"), (4, "77e2")]), Ok(false));
        let unknown = agreed(&[(3, "5f0a"), (6, "77e1")]).expect_err("nothing is known of it");
        assert!(unknown.contains("says nothing of seed 6: delete it"), "{unknown}");
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("hashes");
        write(&file, "3 5f0a\nthree 77e1\n").expect("it can be written");
        let refused = agree(&file, &hashes(&[(3, "5f0a")])).expect_err("it is no list of hashes").to_string();
        assert!(refused.contains("\"three 77e1\" is no seed with its hash"), "{refused}");
    }
}
