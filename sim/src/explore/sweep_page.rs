use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Class, Failed, Swept};
use crate::report::{Page, Subject};

/// What the page's script draws.
#[derive(Serialize)]
struct Data<'a> {
    runs: u64,
    jobs: usize,
    wall_ms: u128,
    messages: u64,
    excused: u64,
    outcomes: &'a BTreeMap<String, u64>,
    pauses: Distribution,
    totals: Distribution,
    paths: Vec<Path<'a>>,
    failed: Vec<Failure<'a>>,
}

/// A rare path, and how many runs took it.
#[derive(Serialize)]
struct Path<'a> {
    name: &'a str,
    runs: u64,
}

#[derive(Serialize)]
struct Failure<'a> {
    seed: u64,
    class: String,
    broken: Vec<(&'a str, u64, &'a str)>,
    complaint: &'a str,
    migrations: usize,
    faults: &'a [String],
    plan: &'a str,
    command: String,
}

/// Times in milliseconds: percentiles, and how many there are in each octave.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Distribution {
    count: usize,
    percentiles: Vec<(&'static str, u64)>,
    octaves: BTreeMap<u64, u64>,
}

impl Distribution {
    fn of(sorted: &[u64]) -> Self {
        let last = sorted.len().saturating_sub(1);
        let at = |name, percent: usize| sorted.get(last * percent / 100).map(|value| (name, *value));
        let percentiles = [("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)];
        let mut octaves = BTreeMap::new();
        for value in sorted {
            *octaves.entry(1 << value.max(&1).ilog2()).or_default() += 1;
        }
        Self {
            count: sorted.len(),
            percentiles: percentiles.into_iter().filter_map(|(name, percent)| at(name, percent)).collect(),
            octaves,
        }
    }
}

impl<'a> From<&'a Failed> for Failure<'a> {
    fn from(failed: &'a Failed) -> Self {
        let broken = failed.broken.iter();
        Self {
            seed: failed.seed,
            class: failed.class.to_string(),
            broken: broken.map(|b| (b.invariant.as_str(), b.at_ms, b.message.as_str())).collect(),
            complaint: if failed.class == Class::Crash { &failed.complaint } else { "" },
            migrations: failed.migrations,
            faults: &failed.faults,
            plan: &failed.plan,
            command: failed.command(),
        }
    }
}

impl Swept {
    /// A summary as a page; `command` does it again.
    pub fn html(&self, points: &BTreeSet<String>, command: &str) -> serde_json::Result<String> {
        let paths = points
            .iter()
            .map(|name| Path { name, runs: self.reached.get(name).copied().unwrap_or_default() });
        let data = Data {
            runs: self.runs,
            jobs: self.jobs,
            wall_ms: self.wall.as_millis(),
            messages: self.messages,
            excused: self.excused,
            outcomes: &self.outcomes,
            pauses: Distribution::of(&self.pauses),
            totals: Distribution::of(&self.totals),
            paths: paths.collect(),
            failed: self.failed.iter().map(Failure::from).collect(),
        };
        let page = Page {
            subject: Subject::Sweep,
            title: "Sweep of simulated migrations".to_owned(),
            verdict: match self.failed.len() {
                0 => format!("{} runs: every invariant held in every run", self.runs),
                broken => format!("{broken} of {} runs broke something", self.runs),
            },
            holds: self.failed.is_empty(),
            command: command.to_owned(),
        };
        page.render(&data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_of_what_was_measured() {
        let nothing = Distribution { count: 0, percentiles: Vec::new(), octaves: BTreeMap::new() };
        assert_eq!(Distribution::of(&[]), nothing);
        let some = Distribution::of(&[0, 1, 2, 3, 4, 1_000]);
        assert_eq!(some.percentiles, [("p50", 2), ("p90", 4), ("p99", 4), ("max", 1_000)]);
        assert_eq!(some.octaves, [(1, 2), (2, 2), (4, 1), (512, 1)].into());
    }
}
