//! Checks the invariants of docs/protocol.md for one migration: some after every step, the others when all is over.
//!
//! ```text
//!   ownership   OneOwner, at every step
//!   fates       NoEarlyKill, and which deaths no protocol could make up for
//!   course      PhaseMonotonic, as the status is written
//!   messages    NoLoss, NoDuplicate, Order, RamPreserved, OutputsOnce, at the end
//!   clean_end   CleanEnd, at the end
//! ```
//! Converges is the drive's to check: it knows when the last fault has ended.

mod clean_end;
mod course;
mod fates;
mod messages;
mod ownership;

use std::{collections::BTreeSet, time::Duration};

use ms2m::api::{Phase, StatefulMigrationStatus};

use self::fates::Fates;
use super::{Cluster, Container, Names, counter::CounterMemory, objects};
use crate::{
    amqp::BindingView,
    report::{Violation, WorkloadReport},
};

/// See the module.
pub struct Oracle {
    names: Names,
    violations: Vec<Violation>,
    /// `Q`'s bindings as they should be in the end.
    bindings: Vec<BindingView>,
    phase: Phase,
    transitions: usize,
    fates: Fates,
    /// Whether a fault may make an output appear again, with the same identity.
    may_repeat_outputs: bool,
    point_of_no_return: Option<jiff::Timestamp>,
    /// The preflight has to refuse: nothing may be created.
    may_begin: bool,
}

impl Oracle {
    /// Begins to watch.
    pub fn new(names: Names, cluster: &Cluster, may_repeat_outputs: bool) -> Self {
        let mut bindings = cluster.broker.bindings();
        bindings.retain(|binding| binding.queue == names.queue());
        Self {
            names,
            violations: Vec::new(),
            bindings,
            phase: Phase::Pending,
            transitions: 0,
            fates: Fates::default(),
            may_repeat_outputs,
            point_of_no_return: None,
            may_begin: true,
        }
    }

    /// From now on a migration that creates anything has begun what its preflight should have refused.
    pub fn forbids_beginning(&mut self) {
        self.may_begin = false;
    }

    /// Notes that somebody else has bound the queue.
    pub fn expects_binding(&mut self, binding: BindingView) {
        self.bindings.push(binding);
        self.bindings.sort();
    }

    /// Notes that a process is about to be killed on purpose.
    pub fn expects_death_of(&mut self, container_id: &str) {
        self.fates.doom(container_id);
    }

    /// What broke so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) fn broke(&mut self, at: Duration, invariant: &'static str, message: impl std::fmt::Display) {
        // The first time tells; the same again at every step would hide the next.
        if self.violations.iter().all(|known| known.invariant != invariant) {
            let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            let message = format!("{}: {message}", self.names.migration());
            self.violations.push(Violation { invariant, at_ms, message });
        }
    }

    /// Checks what must hold at every instant.
    pub fn check(&mut self, cluster: &Cluster, status: &StatefulMigrationStatus, at: Duration) {
        self.one_owner(cluster, at);
        self.deaths(cluster, status, at);
        if !self.may_begin && cluster.broker.queues().iter().any(|queue| queue.name.contains(".ms2m.")) {
            self.broke(at, "PreflightFirst", "there is a replay queue");
        }
    }

    /// Checks what must hold when all is over.
    pub fn conclude(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
        report: &mut WorkloadReport,
    ) {
        report.excuse = self.fates.excuse(status);
        self.failed_for_a_reason(cluster, status, at);
        self.clean_end(cluster, status, at);
        self.created_nothing(cluster, at);
        self.messages(cluster, status, at, report);
    }
}

/// Whether the migration failed and left everything where it is, for a person to go on with.
fn is_kept(status: &StatefulMigrationStatus) -> bool {
    status.phase == Phase::Failed && status.cleanup.is_none()
}

/// The counter's RAM in a container, if it runs the counter.
pub(super) fn memory(container: &Container) -> Option<&CounterMemory> {
    container.memory.as_any().downcast_ref()
}

fn uids_of_pods(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.api.list("", "pods", objects::NAMESPACE);
    pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect()
}
