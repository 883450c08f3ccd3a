use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Class, Failed, Outcome, Pool, save_plan};
use crate::{determinism::wall_clock, plan::Plan, world::STRUCK_BY};

/// So many runs reach every rare path.
const ENOUGH_RUNS: u64 = 2_000;
/// Exit code of a sweep that does not.
const NEVER_REACHED: u8 = 5;
/// Exit code of one that somebody ended before it was through: what a shell says of a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;
/// So many of the paths that a shorter sweep never reached are named.
const NAMED: usize = 12;

/// Many seeds.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Which; [`Sweep::ALL`] of them where only the time ends it.
    pub seeds: Range<u64>,
    /// How many beside each other.
    pub pool: Pool,
    /// How long at most; then what is under way is finished.
    pub time: Option<Duration>,
    /// Where the plans of failures are saved.
    pub failures: PathBuf,
    /// Set when somebody wants it to end: what is under way is finished, and told.
    pub interrupt: Arc<AtomicBool>,
}

/// What many seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// How many ran.
    pub runs: u64,
    /// How often each outcome came.
    pub outcomes: BTreeMap<String, u64>,
    /// Pauses of completed migrations, in milliseconds, sorted.
    pub pauses: Vec<u64>,
    /// Times of all migrations, in milliseconds, sorted.
    pub totals: Vec<u64>,
    /// How often each point was reached.
    pub reached: BTreeMap<String, u64>,
    /// Runs with a loss that nobody could prevent.
    pub excused: u64,
    /// What broke.
    pub failed: Vec<Failed>,
    /// Messages published.
    pub messages: u64,
    /// Real time.
    pub wall: Duration,
    /// How many beside each other.
    pub jobs: usize,
    /// Whether somebody ended it before it was through.
    pub interrupted: bool,
}

impl Sweep {
    /// Every seed there is: more than there will ever be time for.
    pub const ALL: Range<u64> = 0..u64::MAX;

    /// Runs them, each as `run` does with its seed and the worker's number; `say` is told each failure at once.
    pub fn run(&self, run: impl Fn(u64, usize) -> Outcome + Sync, mut say: impl FnMut(&Failed)) -> Swept {
        let began = wall_clock();
        let bar = match self.seeds.end - self.seeds.start {
            _ if self.seeds == Self::ALL => ProgressBar::no_length(),
            count => ProgressBar::new(count),
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {msg} {eta}") {
            bar.set_style(style);
        }
        let mut swept = Swept { jobs: self.pool.jobs(), ..Swept::default() };
        let interrupted = || self.interrupt.load(Ordering::Relaxed);
        self.pool.each(
            self.seeds.clone().take_while(|_| !interrupted()),
            |seed, worker| run(*seed, worker),
            |seed, outcome, stop| {
                swept.add(&outcome);
                if outcome.class != Class::Holds {
                    let failed = self.failure(seed, outcome);
                    bar.suspend(|| say(&failed));
                    swept.failed.push(failed);
                }
                bar.inc(1);
                bar.set_message(format!("{} broken", swept.failed.len()));
                if self.time.is_some_and(|time| wall_clock().saturating_sub(began) > time) {
                    stop.stop();
                }
            },
        );
        bar.finish_and_clear();
        swept.interrupted = interrupted();
        swept.wall = wall_clock().saturating_sub(began);
        swept.pauses.sort_unstable();
        swept.totals.sort_unstable();
        swept.failed.sort_by_key(|failed| failed.seed);
        swept
    }

    /// What came of a run that broke something; its plan is saved.
    fn failure(&self, seed: u64, outcome: Outcome) -> Failed {
        let plan = Plan::random(seed);
        Failed {
            seed,
            class: outcome.class,
            broken: outcome.summary.violations,
            complaint: outcome.complaint,
            migrations: plan.scenario.workloads.len(),
            faults: plan.faults.iter().map(ToString::to_string).collect(),
            plan: save_plan(&self.failures, &format!("seed-{seed}"), &plan),
        }
    }

    /// The command line that runs it.
    pub fn command(&self) -> String {
        let Range { start, end } = self.seeds;
        let seeds = if self.seeds == Self::ALL { String::new() } else { format!(" --seeds {start}..{end}") };
        let time = self.time.map(|time| format!(" --time {}", in_words(time))).unwrap_or_default();
        format!("cargo sim sweep{seeds}{time}")
    }
}

impl Swept {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        let summary = &outcome.summary;
        self.messages += summary.published;
        self.excused += u64::from(summary.excuse.is_some());
        let mut count = |outcome: &str, pause: Option<u64>, total: Option<u64>| {
            *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
            self.pauses.extend(pause);
            self.totals.extend(total);
        };
        if outcome.class == Class::Crash {
            count("crashed", None, None);
        } else if summary.workloads.is_empty() {
            count(&summary.outcome, summary.pause_ms, summary.total_ms);
        }
        let earlier = summary.workloads.iter().flat_map(|workload| &workload.earlier);
        for workload in summary.workloads.iter().chain(earlier).chain(&summary.earlier) {
            count(&workload.outcome, workload.pause_ms, workload.total_ms);
        }
        for point in &summary.reached {
            *self.reached.entry(point.clone()).or_default() += 1;
        }
    }

    /// The worst that came.
    pub fn worst(&self) -> Class {
        self.failed.iter().map(|failed| failed.class).max().unwrap_or_default()
    }

    /// The exit code that tells it; `points` are those that enough runs reach.
    pub fn code(&self, points: &BTreeSet<String>) -> u8 {
        match self.worst() {
            Class::Holds if self.runs >= ENOUGH_RUNS && !self.missed(points).is_empty() => NEVER_REACHED,
            Class::Holds if self.interrupted => INTERRUPTED,
            worst => worst.code(),
        }
    }

    /// Points of `expected` that no run reached.
    pub fn missed<'a>(&self, expected: &'a BTreeSet<String>) -> Vec<&'a str> {
        expected.iter().map(String::as_str).filter(|point| !self.reached.contains_key(*point)).collect()
    }

    /// A summary for a person.
    pub fn render(&self, points: &BTreeSet<String>) -> String {
        let mut out = String::new();
        if self.interrupted {
            let _ = writeln!(out, "interrupted; this is what ran until then");
        }
        let minutes = self.wall.as_secs_f64() / 60.0;
        let per_minute = self.runs as f64 / minutes.max(1e-9);
        let _ = writeln!(
            out,
            "{} runs in {:.1} min: {per_minute:.0} per minute, {:.0} per minute and core · {} messages",
            self.runs,
            minutes,
            per_minute / self.jobs.max(1) as f64,
            self.messages,
        );
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        let _ = writeln!(
            out,
            "  migrations  {} · in {} runs a loss is excused",
            outcomes.join(" · "),
            self.excused
        );
        let _ = writeln!(out, "  pause       {}", percentiles(&self.pauses));
        let _ = writeln!(out, "  total       {}", percentiles(&self.totals));
        self.render_reached(&mut out, points);
        if self.failed.is_empty() {
            let _ = writeln!(out, "  ✔ every invariant held in every run");
        } else {
            let seeds: Vec<String> = self.failed.iter().map(|failed| failed.seed.to_string()).collect();
            let _ = writeln!(out, "  ✘ {} broken: seeds {}", self.failed.len(), seeds.join(", "));
        }
        out
    }
}

impl Swept {
    /// What was reached, and what was not. In a short sweep most kinds of faults never struck, and are not named, and of the paths
    /// only some are.
    fn render_reached(&self, out: &mut String, points: &BTreeSet<String>) {
        let is_kind = |point: &&str| point.starts_with(STRUCK_BY);
        let (kinds, mut missed): (Vec<&str>, Vec<&str>) = self.missed(points).into_iter().partition(is_kind);
        let all_kinds = points.iter().map(String::as_str).filter(is_kind).count();
        let paths = points.len() - all_kinds;
        let _ = writeln!(
            out,
            "  rare paths  {} of {paths} reached · {} of {all_kinds} kinds of faults struck",
            paths - missed.len(),
            all_kinds - kinds.len()
        );
        let mut unnamed = 0;
        if self.runs >= ENOUGH_RUNS {
            missed.extend(kinds);
        } else {
            unnamed = missed.len().saturating_sub(NAMED);
            missed.truncate(NAMED);
        }
        if !missed.is_empty() {
            let more = if unnamed > 0 { format!(" · and {unnamed} more") } else { String::new() };
            let _ = writeln!(out, "  not reached {}{more}", missed.join(" · "));
        }
    }
}

/// A time as the command line takes it.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn percentiles(sorted: &[u64]) -> String {
    let at = |percent: usize| sorted.get((sorted.len().saturating_sub(1)) * percent / 100);
    match (at(50), at(90), at(99), sorted.last()) {
        (Some(p50), Some(p90), Some(p99), Some(max)) => {
            format!("p50 {p50} ms · p90 {p90} ms · p99 {p99} ms · max {max} ms · of {}", sorted.len())
        }
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Broken;

    fn sweep(seeds: Range<u64>, time: Option<Duration>, failures: PathBuf) -> Sweep {
        Sweep { seeds, pool: Pool::new(Some(2)), time, failures, interrupt: Arc::default() }
    }

    fn outcome(class: Class) -> Outcome {
        let broken =
            |name: &str| Broken { invariant: name.to_owned(), at_ms: 7, message: "3 lost".to_owned() };
        let mut outcome =
            Outcome { class, summary: Default::default(), complaint: String::new(), wall: Duration::ZERO };
        match class {
            Class::Holds => outcome.summary.outcome = "Completed".to_owned(),
            Class::Liveness => outcome.summary.violations.push(broken("Converges")),
            Class::Safety => outcome.summary.violations.push(broken("NoLoss")),
            Class::Crash => outcome.complaint = "thread 'sim-3' panicked".to_owned(),
        }
        outcome.summary.reached.insert("begun".to_owned());
        outcome
    }

    fn swept(runs: u64, classes: &[Class]) -> Swept {
        let failed = classes.iter().zip(0..).map(|(class, seed)| {
            let sweep = sweep(0..1, None, PathBuf::from("/dev/null/nowhere"));
            sweep.failure(seed, outcome(*class))
        });
        Swept {
            runs,
            failed: failed.collect(),
            reached: [("begun".to_owned(), 1)].into(),
            ..Swept::default()
        }
    }

    #[test]
    fn the_worst_of_its_runs_decides_the_exit_code() {
        let begun = BTreeSet::from(["begun".to_owned()]);
        for (classes, code) in [
            (&[][..], 0),
            (&[Class::Safety], 1),
            (&[Class::Liveness], 3),
            (&[Class::Crash], 4),
            (&[Class::Liveness, Class::Safety], 1),
            (&[Class::Safety, Class::Crash, Class::Liveness], 4),
        ] {
            assert_eq!(swept(9, classes).code(&begun), code, "{classes:?}");
            assert_eq!(swept(ENOUGH_RUNS, classes).code(&begun), code, "{classes:?}");
        }
    }

    #[test]
    fn many_runs_that_reach_a_rare_path_never_are_told_by_their_exit_code() {
        let points = BTreeSet::from(["begun".to_owned(), "never".to_owned()]);
        assert_eq!(swept(ENOUGH_RUNS, &[]).code(&points), 5);
        assert_eq!(swept(ENOUGH_RUNS - 1, &[]).code(&points), 0);
        assert_eq!(swept(ENOUGH_RUNS, &[Class::Liveness]).code(&points), 3);
    }

    #[test]
    fn kinds_that_never_struck_are_named_where_enough_ran() {
        let points = ["begun", "never", "struck by frost", "struck by hail"].map(str::to_owned).into();
        let told = |runs: u64| {
            let mut swept = swept(runs, &[]);
            swept.reached.insert("struck by hail".to_owned(), 1);
            swept.render(&points)
        };
        let few = told(9);
        assert!(few.contains("rare paths  1 of 2 reached · 1 of 2 kinds of faults struck"), "{few}");
        assert!(few.contains("not reached never\n"), "{few}");
        assert!(told(ENOUGH_RUNS).contains("not reached never · struck by frost\n"));
    }

    #[test]
    fn of_many_paths_that_a_short_sweep_never_reached_some_are_named() {
        let points: BTreeSet<String> = (10..30).map(|n| format!("path {n}")).collect();
        let few = swept(9, &[]).render(&points);
        assert!(
            few.contains("not reached path 10 · path 11 · ") && few.contains(" · path 21 · and 8 more\n"),
            "{few}"
        );
        assert!(swept(ENOUGH_RUNS, &[]).render(&points).contains(" · path 28 · path 29\n"));
    }

    #[test]
    fn what_fails_is_told_at_once_and_its_plan_is_kept() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let failures = folder.path().join("failures");
        let class = |seed| match seed {
            3 => Class::Crash,
            5 => Class::Liveness,
            _ => Class::Holds,
        };
        let mut told = Vec::new();
        let sweep = sweep(0..8, None, failures.clone());
        let swept = sweep.run(|seed, _| outcome(class(seed)), |failed| told.push(failed.to_string()));
        told.sort_unstable();
        assert_eq!((swept.runs, swept.failed.len(), told.len()), (8, 2, 2));
        assert_eq!((swept.outcomes["Completed"], swept.outcomes["crashed"]), (6, 1));
        assert!(told[0].contains("seed 3: crashed\n  thread 'sim-3' panicked"), "{}", told[0]);
        assert!(told[1].contains("Converges at 7 ms: 3 lost"), "{}", told[1]);
        assert!(told[1].contains("REPRODUCE WITH: cargo sim run --random --seed 5"), "{}", told[1]);
        let saved = Plan::load(&failures.join("seed-5.json")).expect("the plan is saved");
        assert_eq!(saved, Plan::random(5));
        assert_eq!(swept.code(&BTreeSet::new()), 4);
    }

    #[test]
    fn a_sweep_ends_with_its_time() {
        let timed = sweep(Sweep::ALL, Some(Duration::ZERO), PathBuf::new());
        let run = |_, _| {
            std::thread::sleep(Duration::from_millis(5));
            outcome(Class::Holds)
        };
        let swept = timed.run(run, |_| {});
        assert!((1..1_000).contains(&swept.runs), "{}", swept.runs);
        let hour = sweep(0..5, Some(Duration::from_hours(1)), PathBuf::new());
        assert_eq!(hour.run(|_, _| outcome(Class::Holds), |_| {}).runs, 5);
    }

    #[test]
    fn a_sweep_that_is_interrupted_tells_what_ran_until_then() {
        let ended = sweep(Sweep::ALL, None, PathBuf::new());
        let run = |seed, _| {
            ended.interrupt.store(seed >= 3, Ordering::Relaxed);
            outcome(Class::Holds)
        };
        let swept = ended.run(run, |_| {});
        assert!(swept.runs >= 1 && swept.interrupted);
        assert_eq!(swept.code(&BTreeSet::new()), INTERRUPTED);
        assert!(swept.render(&BTreeSet::new()).starts_with("interrupted; "));
        let broken = Swept { interrupted: true, ..self::swept(9, &[Class::Safety]) };
        assert_eq!(broken.code(&BTreeSet::new()), 1, "what broke is said first");
    }

    #[test]
    fn its_command_says_its_seeds_and_its_time() {
        let minutes = |minutes| Some(Duration::from_mins(minutes));
        for (seeds, time, command) in [
            (2..7, None, "cargo sim sweep --seeds 2..7"),
            (Sweep::ALL, minutes(10), "cargo sim sweep --time 10m"),
            (2..7, Some(Duration::from_secs(90)), "cargo sim sweep --seeds 2..7 --time 90s"),
            (5..u64::MAX, minutes(120), "cargo sim sweep --seeds 5..18446744073709551615 --time 2h"),
            (Sweep::ALL, minutes(0), "cargo sim sweep --time 0s"),
        ] {
            assert_eq!(sweep(seeds, time, PathBuf::new()).command(), command);
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        assert_eq!(percentiles(&[]), "none");
        assert_eq!(
            percentiles(&(1..=200).collect::<Vec<_>>()),
            "p50 100 ms · p90 180 ms · p99 198 ms · max 200 ms · of 200"
        );
    }
}
