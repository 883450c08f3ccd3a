//! Checks the invariants of docs/protocol.md for one workload, migration after migration: some after every step, the others when all is over.
//!
//! ```text
//!   ownership         OneOwner, at every step
//!   permits           what the faults that have struck may do to it
//!   application       NoDuplicate and Order in every process, at every step
//!   fates             NoEarlyKill, and which deaths no protocol could make up for
//!   excuse            what may be missing at the end, and why
//!   slipped           what went past the replay queue, and whether anything shows it
//!   course            PhaseMonotonic, as the status is written
//!   preflight_first   PreflightFirst: what is refused costs nothing
//!   ram_preserved     RamPreserved, at HELLO, when it is accepted, at TAKE_OVER, and at the end
//!   clean_end         CleanEnd, at the end
//!   survivor          what the surviving owner has, at the end, which is judged by
//!     no_loss           NoLoss
//!     no_duplicate      NoDuplicate, and nothing foreign
//!     order             Order
//!     outputs_once      OutputsOnce: of every message one, at the end; none again, at every step
//!   isolation         Isolation, of all workloads together, at every step
//! ```
//! Converges is the drive's to check: it knows when the last fault has ended.

mod application;
mod clean_end;
mod course;
mod excuse;
mod fates;
mod isolation;
mod no_duplicate;
mod no_loss;
mod order;
mod outputs_once;
mod ownership;
mod permits;
mod preflight_first;
mod ram_preserved;
mod slipped;
mod survivor;

use std::{collections::BTreeSet, time::Duration};

use ms2m::api::{Phase, StatefulMigrationStatus};

use self::{excuse::Excuse, fates::Fates, outputs_once::Outputs, permits::Permits, ram_preserved::Restored};
pub(super) use self::{isolation::Isolation, ownership::is_of};
use super::{Cluster, Container, Names, counter::CounterMemory, objects};
use crate::{
    amqp::BindingView,
    plan::{Fault, FaultKind, SECOND_MS, Workload},
    report::{Violation, WorkloadReport},
};

/// See the module.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the run")]
pub struct Oracle {
    names: Names,
    violations: Vec<Violation>,
    /// `Q`'s bindings as they should be in the end.
    bindings: Vec<BindingView>,
    phase: Phase,
    transitions: usize,
    fates: Fates,
    restored: Restored,
    permits: Permits,
    outputs: Outputs,
    /// Nothing breaks, and nobody got anything wrong.
    is_calm: bool,
    /// Another migration of its pod is asked for within a second: either may have to give way.
    has_a_twin: bool,
    point_of_no_return: Option<jiff::Timestamp>,
    /// When it was on record that the migration is given up.
    gave_up_at: Option<Duration>,
    /// The preflight has to refuse: nothing may be created.
    may_begin: bool,
    /// A completed migration keeps its checkpoint image.
    keeps_image: bool,
    /// UIDs of the pods that were there when the migration ended: whoever deletes one later sees to its control queue.
    outlived: Option<BTreeSet<String>>,
    /// What the workload's earlier migrations said that they left behind.
    left_before: Vec<String>,
    /// When it last checked what must hold at every instant.
    looked_at: Duration,
}

impl Oracle {
    /// Begins to watch.
    pub fn new(names: Names, workload: &Workload, cluster: &Cluster, faults: &[Fault]) -> Self {
        let mut bindings = cluster.broker.bindings();
        bindings.retain(|binding| binding.queue == names.queue());
        Self {
            names,
            violations: Vec::new(),
            bindings,
            phase: Phase::Pending,
            transitions: 0,
            fates: Fates::default(),
            restored: Restored::default(),
            permits: Permits::default(),
            outputs: Outputs::default(),
            is_calm: faults.is_empty(),
            has_a_twin: workload.hurry_ms.is_some_and(|hurry_ms| hurry_ms < SECOND_MS),
            point_of_no_return: None,
            gave_up_at: None,
            may_begin: true,
            keeps_image: workload.knobs.retain_checkpoint,
            outlived: None,
            left_before: Vec::new(),
            looked_at: Duration::ZERO,
        }
    }

    /// Another migration of the workload goes before the one that was watched, which has done nothing yet.
    pub(super) fn goes_over_to(&mut self, names: Names) {
        self.names = names;
        (self.phase, self.transitions, self.gave_up_at) = (Phase::Pending, 0, None);
    }

    /// One migration of the workload is over, and has to have left nothing behind; the next begins.
    pub(super) fn next_round(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        names: Names,
        at: Duration,
    ) {
        self.end_round(cluster, (status, false), at);
        self.fates.next_round(self.excuse(status));
        self.restored.next_round();
        self.left_before.extend(status.cleanup.as_ref().and_then(|cleanup| cleanup.checkpoint_left.clone()));
        self.names = names;
        (self.outlived, self.gave_up_at) = (None, None);
        (self.phase, self.transitions, self.point_of_no_return) = (Phase::Pending, 0, None);
    }

    /// Checks what must hold when a migration is over.
    fn end_round(
        &mut self,
        cluster: &Cluster,
        (status, gone): (&StatefulMigrationStatus, bool),
        at: Duration,
    ) {
        self.completes_in_calm(status, at);
        self.failed_for_a_reason(cluster, status, at);
        self.clean_end(cluster, (status, gone), at);
    }

    /// The user got something wrong; where it shows before the start, a migration that creates anything has begun what its
    /// preflight should have refused.
    pub fn expects_refusal(&mut self, before_the_start: bool) {
        self.may_begin = !before_the_start;
        self.is_calm = false;
    }

    /// Notes that somebody else has bound the queue.
    pub fn expects_binding(&mut self, binding: BindingView) {
        self.bindings.push(binding);
        self.bindings.sort();
    }

    /// Notes that a fault strikes the workload, or everybody.
    pub fn permits(&mut self, kind: FaultKind) {
        self.permits.add(kind);
    }

    /// Notes that a process is about to be killed on purpose; it may be of any workload.
    pub fn expects_death_of(&mut self, container_id: &str, container: &Container) {
        self.fates.doom(container_id);
        if is_of(container, self.names) {
            self.permits.repeat_outputs();
        }
    }

    /// Notes that a pod goes at once, and its process when its kubelet hears of it: for everybody else it is dead.
    pub fn expects_zombie(&mut self, container_id: &str, pod_uid: &str) {
        self.fates.doom(container_id);
        self.fates.abandon(container_id, pod_uid);
    }

    /// Whether the RAM that was to be migrated died.
    pub(super) fn source_died(&self) -> bool {
        self.fates.source_died()
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
        if self.outlived.is_none() && status.phase.is_terminal() {
            self.outlived = Some(uids_of_pods(cluster));
        }
        self.one_owner(cluster, at);
        self.applies_once_in_order(cluster, at);
        self.outputs_once(cluster, at);
        self.owns_on_the_record(cluster, status, at);
        self.deaths(cluster, status, at);
        self.given_up_late(cluster, status, at);
        self.ram_preserved(cluster, status, at);
        self.mirrors_nothing(cluster, at);
        self.looked_at = at;
    }

    /// Checks what must hold when all is over; `gone` is whether the migration's object is.
    pub fn conclude(
        &mut self,
        cluster: &Cluster,
        (status, gone): (&StatefulMigrationStatus, bool),
        at: Duration,
        report: &mut WorkloadReport,
    ) {
        let excuse = self.excuse(status);
        report.excuse = excuse.map(Excuse::why);
        self.end_round(cluster, (status, gone), at);
        self.created_nothing(cluster, at);
        self.survivor(cluster, (status, excuse), at, report);
    }
}

/// Whether the migration failed and left everything where it is, for a person to go on with: a roll-back that fails has undone
/// all of it.
fn is_kept(status: &StatefulMigrationStatus) -> bool {
    let rolled_back = status.phase_transitions.iter().any(|entered| entered.phase == Phase::RollingBack);
    status.phase == Phase::Failed && !rolled_back
}

/// The counter's RAM in a container, if it runs the counter.
pub(super) fn memory(container: &Container) -> Option<&CounterMemory> {
    container.memory.as_any().downcast_ref()
}

fn uids_of_pods(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.api.list("", "pods", objects::NAMESPACE);
    pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect()
}
