use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use ms2m_app::seeded_bug::SeededBug;

use super::{Catch, Outcome, Pool};
use crate::plan::Found;

/// How a seeded bug fared in the plan that is kept for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The bug.
    pub bug: SeededBug,
    /// The plan, and the invariant that it says to break first; none where none is kept.
    pub plan: Option<(PathBuf, String)>,
    /// What broke.
    pub caught: Option<Catch>,
}

/// Runs each bug's plans; `run` runs a file with a bug, on a worker's processor.
pub fn check(
    run: impl Fn(SeededBug, &Path, usize) -> Outcome + Sync,
    bugs: &[SeededBug],
    kept: &BTreeMap<PathBuf, Found>,
    pool: Pool,
    mut say: impl FnMut(&str),
) -> Vec<Check> {
    let plans = bugs.iter().flat_map(|bug| {
        let of_bug =
            kept.iter().filter_map(|(file, found)| Some((file.clone(), found.catches.get(bug)?.clone())));
        let mut of_bug: Vec<_> = of_bug.map(Some).collect();
        if of_bug.is_empty() {
            of_bug.push(None);
        }
        of_bug.into_iter().map(|plan| (*bug, plan))
    });
    let plans: Vec<_> = plans.collect();
    let bar = ProgressBar::new(plans.len() as u64);
    let mut checks = Vec::new();
    pool.each(
        plans.into_iter(),
        |(bug, plan), worker| plan.as_ref().and_then(|(file, _)| Catch::of(run(*bug, file, worker))),
        |(bug, plan), caught, _| {
            let check = Check { bug, plan, caught };
            bar.suspend(|| say(&check.to_string()));
            checks.push(check);
            bar.inc(1);
        },
    );
    bar.finish_and_clear();
    checks
}

impl Check {
    /// Whether what should break first did.
    pub fn is_caught(&self) -> bool {
        let (Some((_, breaks)), Some(catch)) = (&self.plan, &self.caught) else { return false };
        catch.is_of_an_invariant() && *breaks == catch.invariant
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bug = self.bug;
        let Some((file, breaks)) = &self.plan else {
            return write!(
                f,
                "✘ {bug:<22} NO PLAN: shrink one that catches it, and name the bug there among what it catches"
            );
        };
        let file = file.display();
        match &self.caught {
            Some(_) if self.is_caught() => write!(f, "✔ {bug:<22} {breaks:<12} {file}"),
            Some(catch) if !catch.is_of_an_invariant() => {
                write!(f, "✘ {bug:<22} WITHOUT A VERDICT, NOT {breaks}: {file}: {}", catch.message)
            }
            Some(catch) => write!(f, "✘ {bug:<22} {} BROKE FIRST, NOT {breaks}: {file}", catch.invariant),
            None => write!(f, "✘ {bug:<22} NOT CAUGHT by {file}: {}", bug.story().trim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        explore::{Broken, Class},
        plan::Plan,
    };

    fn breaks(invariant: &str) -> Outcome {
        let mut outcome = Outcome {
            class: Class::Safety,
            summary: Default::default(),
            complaint: String::new(),
            wall: Duration::ZERO,
        };
        outcome.summary.violations.push(Broken { invariant: invariant.to_owned(), ..Default::default() });
        outcome
    }

    fn kept(file: &str, catches: &[(SeededBug, &str)]) -> (PathBuf, Found) {
        let catches = catches.iter().map(|(bug, breaks)| (*bug, (*breaks).to_owned())).collect();
        let found =
            Found { story: String::new(), ends: Vec::new(), within_ms: None, catches, plan: Plan::calm(1) };
        (file.into(), found)
    }

    #[test]
    fn a_bug_is_caught_when_its_plan_breaks_what_it_says() {
        let [found, other, hidden, fatal, unkept] = SeededBug::ALL[..5] else { panic!("there are more") };
        let kept = BTreeMap::from([
            kept("none.json", &[]),
            kept("one.json", &[(found, "NoLoss")]),
            kept("two.json", &[(other, "Order"), (found, "NoLoss"), (hidden, "NoLoss"), (fatal, "crash")]),
        ]);
        let run = |bug, _: &Path, _| match bug {
            _ if bug == hidden => Outcome { class: Class::Holds, ..breaks("") },
            _ if bug == fatal => Outcome { class: Class::Crash, ..breaks("") },
            _ => breaks("NoLoss"),
        };
        let mut said = Vec::new();
        let bugs = [found, other, hidden, fatal, unkept];
        let checks = check(run, &bugs, &kept, Pool::new(Some(1)), |line| said.push(line.to_owned()));
        let of = |check: &Check| (check.bug, check.is_caught());
        let expected =
            [(found, true), (found, true), (other, false), (hidden, false), (fatal, false), (unkept, false)];
        assert_eq!(checks.iter().map(of).collect::<Vec<_>>(), expected, "{said:#?}");
        let pieces = [
            "one.json",
            "two.json",
            "NoLoss BROKE FIRST, NOT Order",
            "NOT CAUGHT by two.json",
            "WITHOUT A VERDICT, NOT crash",
            "NO PLAN",
        ];
        for (line, piece) in said.iter().zip(pieces) {
            assert!(line.contains(piece), "{line}");
        }
    }

    /// `cargo sim mutants --plans sim/corpus` runs them all, in the build that has the bugs.
    #[test]
    fn a_plan_is_kept_for_every_seeded_bug() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let kept = Found::all(&corpus).expect("the corpus can be read");
        let without = |bug: &&SeededBug| !kept.values().any(|found| found.catches.contains_key(bug));
        let without: Vec<_> = SeededBug::ALL.iter().filter(without).collect();
        assert!(without.is_empty(), "no plan of sim/corpus catches {without:?}");
    }
}
