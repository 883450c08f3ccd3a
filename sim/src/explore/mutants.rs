use std::{fmt, path::PathBuf, process::Command};

use indicatif::ProgressBar;
use ms2m_app::seeded_bug::{CHOSEN, SeededBug};

use super::{Child, Class, Pool};

/// The second build of this program.
const PROGRAM: &str = "ms2m-sim-seeded";

/// How a seeded bug fared.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub bug: SeededBug,
    /// The first seed that caught it, and what broke there; none when none did.
    pub caught: Option<(u64, Catch)>,
    /// How many seeds were tried.
    pub tried: u64,
}

/// What gave a bug away.
#[derive(Clone, Debug)]
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
    let arguments = ["build", "--locked", "--release", "--package", "ms2m-sim", "--features", "seeded-bugs"];
    let built = Command::new(cargo).args(arguments).args(["--bin", PROGRAM]).status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("the build with seeded bugs ended with {status}")),
        Err(error) => return Err(format!("cargo cannot be started: {error}")),
    }
    let here = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(here.with_file_name(PROGRAM))
}

/// Looks for each bug in seed after seed, until one catches it or `seeds` have not.
pub fn hunt(
    program: &std::path::Path,
    bugs: &[SeededBug],
    seeds: u64,
    pool: Pool,
    mut say: impl FnMut(&str),
) -> Vec<Hunt> {
    let bar = ProgressBar::new(bugs.len() as u64);
    let mut hunts = Vec::new();
    pool.each(
        bugs.iter().copied(),
        |bug, worker| {
            let child = Child::of(program).with_env(CHOSEN, &bug.to_string());
            (0..seeds).find_map(|seed| {
                let outcome = child.seed(seed, worker);
                let first = outcome.summary.violations.first().cloned().unwrap_or_default();
                let (invariant, message) = match outcome.class {
                    Class::Holds => return None,
                    Class::Crash => ("crash".to_owned(), outcome.complaint),
                    Class::Liveness | Class::Safety => (first.invariant, first.message),
                };
                Some((seed, Catch { class: outcome.class, invariant, message }))
            })
        },
        |bug, caught, _| {
            let tried = caught.as_ref().map_or(seeds, |(seed, _)| seed + 1);
            let hunt = Hunt { bug, caught, tried };
            bar.suspend(|| say(&hunt.to_string()));
            hunts.push(hunt);
            bar.inc(1);
        },
    );
    bar.finish_and_clear();
    hunts.sort_by_key(|hunt| hunt.bug);
    hunts
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bug, caught, tried } = self;
        match caught {
            Some((_, catch)) => write!(f, "✔ {bug:<22} {tried:>4} seeds  {}", catch.invariant),
            None => write!(f, "✘ {bug:<22} {tried:>4} seeds  NOT CAUGHT: {}", bug.story().trim()),
        }
    }
}
