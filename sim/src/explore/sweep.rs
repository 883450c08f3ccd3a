use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::Range,
    path::PathBuf,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Child, Class, Failed, Outcome, Pool};
use crate::{determinism::wall_clock, plan::Plan};

/// Many seeds.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Which.
    pub seeds: Range<u64>,
    /// How many beside each other.
    pub pool: Pool,
    /// How long at most; then what is under way is finished.
    pub time: Option<Duration>,
    /// Where the plans of failures are saved.
    pub failures: PathBuf,
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
}

impl Sweep {
    /// Runs them; `say` is told each failure at once.
    pub fn run(&self, child: &Child, mut say: impl FnMut(&Failed)) -> Swept {
        let began = wall_clock();
        let open_ended = self.seeds.end == u64::MAX;
        let bar = match self.seeds.end - self.seeds.start {
            _ if open_ended => ProgressBar::no_length(),
            count => ProgressBar::new(count),
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {msg} {eta}") {
            bar.set_style(style);
        }
        let mut swept = Swept { jobs: self.pool.jobs(), ..Swept::default() };
        self.pool.each(
            self.seeds.clone(),
            |seed, worker| child.seed(*seed, worker),
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
        swept.wall = wall_clock().saturating_sub(began);
        swept.pauses.sort_unstable();
        swept.totals.sort_unstable();
        swept.failed.sort_by_key(|failed| failed.seed);
        swept
    }

    /// What came of a run that broke something; its plan is saved.
    fn failure(&self, seed: u64, outcome: Outcome) -> Failed {
        let plan = Plan::random(seed);
        let file = self.failures.join(format!("seed-{seed}.json"));
        let saved = std::fs::create_dir_all(&self.failures)
            .and_then(|()| std::fs::write(&file, plan.to_json()))
            .map_or_else(
                |error| format!("(its plan could not be saved: {error})"),
                |()| file.display().to_string(),
            );
        Failed {
            seed,
            class: outcome.class,
            broken: outcome.summary.violations,
            complaint: outcome.complaint,
            migrations: plan.scenario.workloads.len(),
            faults: plan.faults.iter().map(ToString::to_string).collect(),
            plan: saved,
        }
    }

    /// The command line that runs it.
    pub fn command(&self) -> String {
        format!("cargo sim sweep --seeds {}..{}", self.seeds.start, self.seeds.end)
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

    /// Points of `expected` that no run reached.
    pub fn missed<'a>(&self, expected: &'a BTreeSet<String>) -> Vec<&'a str> {
        expected.iter().map(String::as_str).filter(|point| !self.reached.contains_key(*point)).collect()
    }

    /// A summary for a person.
    pub fn render(&self, points: &BTreeSet<String>) -> String {
        let mut out = String::new();
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
        let missed = self.missed(points);
        let _ = writeln!(out, "  rare paths  {} of {} reached", points.len() - missed.len(), points.len());
        if !missed.is_empty() {
            let _ = writeln!(out, "  not reached {}", missed.join(" · "));
        }
        if self.failed.is_empty() {
            let _ = writeln!(out, "  ✔ every invariant held in every run");
        } else {
            let seeds: Vec<String> = self.failed.iter().map(|failed| failed.seed.to_string()).collect();
            let _ = writeln!(out, "  ✘ {} broken: seeds {}", self.failed.len(), seeds.join(", "));
        }
        out
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

    #[test]
    fn percentiles_are_of_what_was_measured() {
        assert_eq!(percentiles(&[]), "none");
        assert_eq!(
            percentiles(&(1..=200).collect::<Vec<_>>()),
            "p50 100 ms · p90 180 ms · p99 198 ms · max 200 ms · of 200"
        );
    }
}
