use std::{fmt, path::PathBuf};

use indicatif::ProgressBar;
use ms2m_app::seeded_bug::SeededBug;

use super::{Class, Outcome, Pool};
use crate::nested_cargo::nested_cargo;

/// The second build of this program.
const PROGRAM: &str = "ms2m-sim-seeded";

/// How a seeded bug fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunt {
    /// The bug.
    pub bug: SeededBug,
    /// The first seed that caught it, and what broke there; none when none did.
    pub caught: Option<(u64, Catch)>,
    /// The seeds before that whose run ended without a verdict: that the bug makes it crash or hang shows no invariant that sees it.
    pub without_a_verdict: Vec<u64>,
    /// How many seeds were tried.
    pub tried: u64,
}

/// What gave a bug away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// What kind of end it was.
    pub class: Class,
    /// The invariant that broke first.
    pub invariant: String,
    /// What was the case.
    pub message: String,
}

/// Builds the program into which bugs can be seeded; returns where it is.
pub fn build_seeded() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // By the program, not by the package: so what the bugs are none of is shared with the build without them.
    let arguments =
        ["build", "--locked", "--release", "--features", "ms2m-sim/seeded-bugs", "--bin", PROGRAM];
    let built = nested_cargo(cargo).args(arguments).status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("the build with seeded bugs ended with {status}")),
        Err(error) => return Err(format!("cargo cannot be started: {error}")),
    }
    let here = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    // Beside the folder of this build, which need not be that of the releases.
    let builds = here.parent().and_then(|folder| folder.parent());
    let program = builds.unwrap_or(&here).join("release").join(PROGRAM);
    // Every bug would be taken for caught by a program that does not start.
    if program.exists() {
        Ok(program)
    } else {
        Err(format!(
            "the build with seeded bugs left no {}: start this by `cargo sim mutants`",
            program.display()
        ))
    }
}

/// Looks for each bug in seed after seed, until one catches it or `seeds` have not; `run` runs a seed with a bug, on a
/// worker's processor.
pub fn hunt(
    run: impl Fn(SeededBug, u64, usize) -> Outcome + Sync,
    bugs: &[SeededBug],
    seeds: u64,
    pool: Pool,
    mut say: impl FnMut(&str),
) -> Vec<Hunt> {
    let bar = ProgressBar::new(bugs.len() as u64);
    let mut hunts = Vec::new();
    pool.each(
        bugs.iter().copied(),
        |bug, worker| Hunt::of(*bug, seeds, |seed| run(*bug, seed, worker)),
        |_, hunt, _| {
            bar.suspend(|| say(&hunt.to_string()));
            hunts.push(hunt);
            bar.inc(1);
        },
    );
    bar.finish_and_clear();
    hunts.sort_by_key(|hunt| hunt.bug);
    hunts
}

impl Hunt {
    fn of(bug: SeededBug, seeds: u64, run: impl Fn(u64) -> Outcome) -> Self {
        let mut without_a_verdict = Vec::new();
        let caught = (0..seeds).find_map(|seed| {
            let catch = Catch::of(run(seed))?;
            if catch.is_of_an_invariant() {
                return Some((seed, catch));
            }
            without_a_verdict.push(seed);
            None
        });
        let tried = caught.as_ref().map_or(seeds, |(seed, _)| seed + 1);
        Self { bug, caught, without_a_verdict, tried }
    }
}

impl Catch {
    /// Whether an invariant saw it, and not only that the run did not get to its end.
    pub(super) fn is_of_an_invariant(&self) -> bool {
        self.class != Class::Crash
    }

    /// What gave a bug away in a run, if anything did.
    pub(super) fn of(outcome: Outcome) -> Option<Self> {
        let class = outcome.class;
        let first = outcome.summary.violations.into_iter().next().unwrap_or_default();
        let (invariant, message) = match class {
            Class::Holds => return None,
            Class::Crash => ("crash".to_owned(), outcome.complaint),
            Class::Liveness | Class::Safety => (first.invariant, first.message),
        };
        Some(Self { class, invariant, message })
    }
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bug, caught, without_a_verdict, tried } = self;
        match caught {
            Some((_, catch)) => write!(f, "✔ {bug:<22} {tried:>4} seeds  {}", catch.invariant)?,
            None => write!(f, "✘ {bug:<22} {tried:>4} seeds  NOT CAUGHT: {}", bug.story().trim())?,
        }
        match without_a_verdict.as_slice() {
            [] => Ok(()),
            [first, ..] => {
                let count = without_a_verdict.len();
                write!(f, " ({count} without a verdict, the first of them seed {first})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::explore::Broken;

    fn outcome(class: Class, broken: &[&str]) -> Outcome {
        let mut outcome = Outcome {
            class,
            summary: Default::default(),
            complaint: "it panicked".to_owned(),
            wall: Duration::ZERO,
        };
        let broken = broken.iter().map(|name| (*name).to_owned());
        let told =
            broken.map(|invariant| Broken { message: format!("{invariant}, told"), invariant, at_ms: 0 });
        outcome.summary.violations.extend(told);
        outcome
    }

    #[test]
    fn what_broke_first_gives_a_bug_away() {
        assert_eq!(Catch::of(outcome(Class::Holds, &[])), None);
        let catch = |class, invariant: &str, message: &str| {
            Some(Catch { class, invariant: invariant.to_owned(), message: message.to_owned() })
        };
        let several = outcome(Class::Safety, &["OneOwner", "NoLoss"]);
        assert_eq!(Catch::of(several), catch(Class::Safety, "OneOwner", "OneOwner, told"));
        let late = outcome(Class::Liveness, &["Converges"]);
        assert_eq!(Catch::of(late), catch(Class::Liveness, "Converges", "Converges, told"));
        assert_eq!(Catch::of(outcome(Class::Crash, &[])), catch(Class::Crash, "crash", "it panicked"));
    }

    #[test]
    fn a_run_without_a_verdict_catches_nothing() {
        let [found, hidden] = SeededBug::ALL[..2] else { panic!("there are more") };
        let run = |bug, seed, _| match seed {
            1 | 2 => outcome(Class::Crash, &[]),
            3 if bug == found => outcome(Class::Liveness, &["Converges"]),
            _ => outcome(Class::Holds, &[]),
        };
        let mut said = Vec::new();
        let hunts = hunt(run, &[found, hidden], 5, Pool::new(Some(1)), |line| said.push(line.to_owned()));
        let seeds = |hunt: &Hunt| (hunt.caught.as_ref().map(|(seed, _)| *seed), hunt.tried);
        assert_eq!(hunts.iter().map(seeds).collect::<Vec<_>>(), [(Some(3), 4), (None, 5)]);
        assert!(hunts.iter().all(|hunt| hunt.without_a_verdict == [1, 2]), "{hunts:?}");
        let told = "(2 without a verdict, the first of them seed 1)";
        assert!(said.iter().all(|line| line.ends_with(told)), "{said:#?}");
    }

    #[test]
    fn a_bug_is_looked_for_until_a_seed_catches_it() {
        let (found, hidden) = (SeededBug::ALL[0], SeededBug::ALL[1]);
        let runs = AtomicU64::new(0);
        let run = |bug, seed, _| {
            runs.fetch_add(1, Ordering::Relaxed);
            if bug == found && seed >= 3 {
                outcome(Class::Safety, &["NoLoss"])
            } else {
                outcome(Class::Holds, &[])
            }
        };
        let mut said = Vec::new();
        let hunts = hunt(run, &[hidden, found], 10, Pool::new(Some(2)), |line| said.push(line.to_owned()));
        let seeds = |hunt: &Hunt| (hunt.bug, hunt.caught.as_ref().map(|(seed, _)| *seed), hunt.tried);
        assert_eq!(hunts.iter().map(seeds).collect::<Vec<_>>(), [(found, Some(3), 4), (hidden, None, 10)]);
        assert_eq!(runs.into_inner(), 14, "nothing is run after a catch");
        said.sort_unstable();
        let (caught, missed) = (&said[0], &said[1]);
        assert!(caught.starts_with('✔') && caught.ends_with("4 seeds  NoLoss"), "{caught}");
        assert!(missed.starts_with('✘') && missed.contains("10 seeds  NOT CAUGHT: "), "{missed}");
    }
}
