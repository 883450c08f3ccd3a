use ms2m::protocol::names::shadow_pod;

use crate::plan::{Owner, Workload};

/// What belongs to one workload and to its migration at present. The first workload, and the first migration of each,
/// have the plain names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The workload's index in the scenario.
    pub index: usize,
    /// What gives the source pod its name, where that is no bare one.
    pub owner: Option<Owner>,
    /// How many of its migrations are over.
    pub round: u32,
    /// How many of them moved it: each left it in the shadow pod of the last.
    pub moved: u32,
}

/// What the name of a shadow pod has behind its source's.
const SHADOW: &str = "-shadow";
/// How long the two parts are that a Deployment's pod has at the end of its name: its template's hash, and its own.
const PARTS_OF_A_DEPLOYMENT: (usize, usize) = (10, 5);

impl Names {
    /// The names in a workload's first migration.
    pub fn of(index: usize, workload: &Workload) -> Self {
        Self { index, owner: workload.owner, round: 0, moved: 0 }
    }

    pub(super) fn with(self, word: &str) -> String {
        if self.index == 0 { word.to_owned() } else { format!("{word}-{}", self.index) }
    }

    /// The names in the next migration, after one that moved the workload, or did not.
    #[must_use]
    pub(super) fn next(self, moved: bool) -> Self {
        Self { round: self.round + 1, moved: self.moved + u32::from(moved), ..self }
    }

    /// The pod that it begins in or that pod's owner, and the Service in front of it.
    pub fn service(self) -> String {
        self.with("counter")
    }

    /// The source pod.
    pub fn source(self) -> String {
        (0..self.moved).fold(self.service(), |pod, _| shadow_pod(&pod))
    }

    /// The shadow pod.
    pub fn shadow(self) -> String {
        shadow_pod(&self.source())
    }

    /// What a pod's name has behind that of the workload's first pod; none where it is another workload's. Asked of every
    /// process at every step of a run, so nothing is put together for it.
    fn rest(self, pod: &str) -> Option<&str> {
        let rest = pod.strip_prefix("counter")?;
        if self.index == 0 {
            return Some(rest);
        }
        let numbered = rest.strip_prefix('-')?;
        let digits = numbered.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbered.len());
        let (number, rest) = numbered.split_at(digits);
        (number.parse() == Ok(self.index)).then_some(rest)
    }

    /// Whether a pod of this name is the source, or another one that its owner made in its place.
    pub fn is_source(self, pod: &str) -> bool {
        let moved = |rest, _| Option::and_then(rest, |rest: &str| rest.strip_prefix(SHADOW));
        let Some(rest) = (0..self.moved).fold(self.rest(pod), moved) else { return false };
        match self.owner {
            None => rest.is_empty(),
            Some(Owner::StatefulSet) => rest == "-0",
            Some(Owner::Deployment) => {
                let (hash, own) = PARTS_OF_A_DEPLOYMENT;
                rest.split('-').map(str::len).eq([0, hash, own])
            }
        }
    }

    /// Whether a pod is the workload's, in whichever of its migrations.
    pub(super) fn has_pod(self, pod: &str) -> bool {
        let mut rest = self.rest(pod);
        while let Some(moved) = rest.and_then(|rest| rest.strip_prefix(SHADOW)) {
            rest = Some(moved);
        }
        rest == Some("") || self.is_source(pod)
    }

    /// The migration.
    pub fn migration(self) -> String {
        let first = self.with("move");
        if self.round == 0 { first } else { format!("{first}-again-{}", self.round) }
    }

    /// The counter's image.
    pub fn image(self) -> String {
        format!("registry:5000/{}:1", self.service())
    }

    /// The primary queue `Q`.
    pub fn queue(self) -> String {
        self.with("orders")
    }

    /// Its binding's key.
    pub fn routing_key(self) -> String {
        format!("{}.new", self.queue())
    }

    /// Where the counter's outputs go: an exchange and a queue.
    pub fn results(self) -> String {
        self.with("results")
    }

    /// The host of the publishers.
    pub fn traffic(self) -> String {
        self.with("traffic")
    }

    /// The node that it is moved from, of the two that it moves between.
    pub(super) fn source_node(self, workload: &Workload) -> String {
        node(if self.moved.is_multiple_of(2) { workload.source } else { workload.target })
    }

    /// The node that it is moved to.
    pub(super) fn target_node(self, workload: &Workload) -> String {
        node(if self.moved.is_multiple_of(2) { workload.target } else { workload.source })
    }
}

/// A node's name.
pub(super) fn node(index: usize) -> String {
    format!("node-{}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_knows_its_pods_of_every_migration_and_no_other_workloads() {
        let first = Names::of(0, &Workload::default());
        let third = first.next(true).next(false);
        assert_eq!(
            (third.source(), third.migration()),
            ("counter-shadow".to_owned(), "move-again-2".to_owned())
        );
        for pod in ["counter", "counter-shadow", "counter-shadow-shadow"] {
            assert!(first.has_pod(pod) && third.has_pod(pod), "{pod}");
        }
        for pod in ["counter-1", "counter-1-shadow", "counter-shadow-x", "count"] {
            assert!(!first.has_pod(pod), "{pod}");
        }
        assert!(Names::of(1, &Workload::default()).has_pod("counter-1-shadow"));
    }

    #[test]
    fn the_pods_that_an_owner_made_are_known_by_their_names() {
        let names = |index, owner| Names { index, owner, round: 0, moved: 0 };
        for (names, own, others) in [
            (names(0, None), "counter", ["counter-1", "counter-0", "counter-shadow"]),
            (names(1, None), "counter-1", ["counter", "counter-10", "counter-1-0"]),
            (names(1, Some(Owner::StatefulSet)), "counter-1-0", ["counter-1", "counter-0", "counter-1-1"]),
            (
                names(0, Some(Owner::Deployment)),
                "counter-bcdfghjklm-x7k2p",
                ["counter", "counter-1-bcdfghjklm-x7k2p", "counter-bcdfghjklm"],
            ),
        ] {
            assert!(names.is_source(own), "{own}");
            assert!(others.iter().all(|other| !names.is_source(other)), "{names:?}");
        }
    }
}
