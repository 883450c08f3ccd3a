use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use ms2m_app::seeded_bug::{CHOSEN, SeededBug};

use super::print;
use crate::{
    explore::{Child, Pool, build_seeded, check, hunt},
    plan::Found,
};

#[derive(Args)]
pub(super) struct MutantsArgs {
    /// How many seeds may be needed at most
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// Run the plans of this folder that are kept for the bugs, such as sim/corpus, in place of seeds
    #[arg(long, value_name = "FOLDER", conflicts_with = "seeds")]
    plans: Option<PathBuf>,
    /// Only these, by name; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// How many runs beside each other; as many as processors where it is left out
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl MutantsArgs {
    pub(super) fn run(&self) -> anyhow::Result<u8> {
        let bugs = self.bugs()?;
        match &self.plans {
            None => self.hunt(&bugs),
            Some(folder) => self.check(folder, &bugs),
        }
    }

    fn bugs(&self) -> anyhow::Result<Vec<SeededBug>> {
        let named = |name: &String| {
            let known = SeededBug::ALL.iter().copied().find(|bug| bug.to_string() == *name);
            known
                .with_context(|| format!("there is no seeded bug {name:?}; app/src/seeded_bug.rs lists them"))
        };
        if self.only.is_empty() { Ok(SeededBug::ALL.to_vec()) } else { self.only.iter().map(named).collect() }
    }

    fn hunt(&self, bugs: &[SeededBug]) -> anyhow::Result<u8> {
        let seeded = seeded()?;
        let run = |bug, seed, worker| seeded(bug).seed(seed, worker);
        let hunts = hunt(run, bugs, self.seeds, self.pool(), |line| println!("{line}"));
        let missed = hunts.iter().filter(|hunt| hunt.caught.is_none()).count();
        print(&format!("{} bugs seeded, {missed} not caught\n", hunts.len()))?;
        Ok(u8::from(missed > 0))
    }

    fn check(&self, folder: &Path, bugs: &[SeededBug]) -> anyhow::Result<u8> {
        let kept = Found::all(folder)?;
        let seeded = seeded()?;
        let run = |bug, file: &Path, worker| seeded(bug).plan(file, worker);
        let checks = check(run, bugs, &kept, self.pool(), |line| println!("{line}"));
        let missed = checks.iter().filter(|check| !check.is_caught()).count();
        print(&format!("{} bugs seeded, {missed} not caught by what is kept for them\n", bugs.len()))?;
        Ok(u8::from(missed > 0))
    }

    fn pool(&self) -> Pool {
        Pool::new(self.jobs.map(usize::from))
    }
}

/// How a run with a bug is started.
fn seeded() -> anyhow::Result<impl Fn(SeededBug) -> Child + Sync> {
    let program = build_seeded().map_err(anyhow::Error::msg)?;
    Ok(move |bug: SeededBug| Child::of(&program).with_env(CHOSEN, &bug.to_string()))
}
