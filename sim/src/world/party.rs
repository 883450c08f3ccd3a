use ms2m::api::StatefulMigrationStatus;
use std::{sync::Arc, time::Duration};

use super::{Cluster, Names, Oracle, hurry::Hurried, oracle};
use crate::{
    plan::{Counts, Fault, Workload},
    report::{Belief, MigrationReport, WorkloadReport},
};

/// One workload and its migration at present, as the run follows it.
pub(super) struct Party {
    pub(super) names: Names,
    pub(super) workload: Workload,
    pub(super) oracle: Oracle,
    pub(super) status: StatefulMigrationStatus,
    /// The object's UID, once it was seen.
    pub(super) uid: String,
    /// What the operator had done when the migration was asked for, once it was.
    pub(super) asked: Option<Counts>,
    /// The user has deleted the migration.
    pub(super) cancelled: bool,
    /// The object is gone.
    pub(super) gone: bool,
    /// How often another process began to take part after the point of no return.
    pub(super) sessions_after_point_of_no_return: u32,
    /// UIDs and names of the workload's migrations before this one.
    past: Vec<(String, String)>,
    /// How the workload's migrations before this one went.
    pub(super) earlier: Vec<MigrationReport>,
    /// Another migration of the same pod, asked for meanwhile.
    pub(super) hurried: Option<Hurried>,
}

impl Party {
    pub(super) fn new(index: usize, workload: &Workload, cluster: &Cluster, faults: &[Fault]) -> Self {
        let names = Names::of(index, workload);
        Self {
            names,
            workload: workload.clone(),
            oracle: Oracle::new(names, workload, cluster, faults),
            status: StatefulMigrationStatus::default(),
            uid: String::new(),
            asked: None,
            cancelled: false,
            gone: false,
            sessions_after_point_of_no_return: 0,
            past: Vec::new(),
            earlier: Vec::new(),
            hurried: None,
        }
    }

    /// UIDs and names of all of the workload's migrations that were seen.
    pub(super) fn migrations(&self) -> impl Iterator<Item = (&str, String)> {
        let past = self.past.iter().map(|(uid, name)| (uid.as_str(), name.clone()));
        past.chain([(self.uid.as_str(), self.names.migration())]).filter(|(uid, _)| !uid.is_empty())
    }

    /// The object that it was about is a matter of the past.
    pub(super) fn forget_uid(&mut self) {
        self.past.push((std::mem::take(&mut self.uid), self.names.migration()));
    }

    /// Nothing more will happen to it.
    pub(super) fn is_over(&self) -> bool {
        let is_over = if self.cancelled { self.gone } else { self.status.phase.is_terminal() };
        self.asked.is_some() && is_over && self.hurried.as_ref().is_none_or(Hurried::is_over)
    }

    pub(super) fn source(&self, cluster: &Cluster) -> Option<String> {
        cluster.running_source(self.names)
    }

    pub(super) fn target(&self, cluster: &Cluster) -> Option<String> {
        cluster.running(&self.names.shadow())
    }

    /// Takes the status over that was written; returns the last one.
    pub(super) fn follow(&mut self, status: StatefulMigrationStatus) -> StatefulMigrationStatus {
        let session =
            |status: &StatefulMigrationStatus| status.target.as_ref().and_then(|t| t.session.clone());
        let passed = |status: &StatefulMigrationStatus| {
            status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some())
        };
        if passed(&self.status) && session(&self.status) != session(&status) && session(&status).is_some() {
            self.sessions_after_point_of_no_return += 1;
        }
        std::mem::replace(&mut self.status, status)
    }

    /// Whether a process has been told something that was out of date.
    pub(super) fn stale_commands(&self, cluster: &Cluster) -> bool {
        let state = cluster.machines.lock();
        let mut own = state.containers.values().filter(|container| oracle::is_of(container, self.names));
        own.any(|container| {
            oracle::memory(container)
                .is_some_and(|memory| memory.cell().look(|ram| ram.stats().stale_commands > 0))
        })
    }

    /// Whether the source asked for the queue when the target had it; connections of the application are named by their pod's UID.
    pub(super) fn zombie_was_refused(&self, cluster: &Cluster) -> bool {
        let (Some(source), Some(target)) = (&self.status.source, &self.status.target) else { return false };
        let is_target = |pod: &String| target.uid.as_ref() == Some(pod) || target.retired.contains(pod);
        let refused = cluster.broker.refused_consumers(&self.names.queue());
        refused.iter().any(|(refused, holder)| *refused == source.uid && is_target(holder))
    }

    pub(super) fn conclude(&mut self, cluster: &Cluster, at: Duration) -> WorkloadReport {
        let mut report = WorkloadReport {
            name: self.names.migration(),
            migration: MigrationReport { earlier: std::mem::take(&mut self.earlier), ..self.report() },
            ..WorkloadReport::default()
        };
        self.oracle.conclude(cluster, (&self.status, self.gone), at, &mut report);
        report
    }

    /// How the migration ended: what was deleted before it began has no end of its own.
    pub(super) fn report(&self) -> MigrationReport {
        let report = MigrationReport::from(&self.status);
        if self.gone && !self.status.phase.is_terminal() {
            return MigrationReport { outcome: "Deleted".to_owned(), ..report };
        }
        report
    }

    /// What everybody who has a part in it takes for the case.
    pub(super) fn beliefs(&self, cluster: &Cluster) -> Vec<Belief> {
        let mut beliefs = vec![Belief {
            party: format!("operator, of {}", self.names.migration()),
            belief: serde_json::to_string(&self.status).unwrap_or_default(),
        }];
        let state = cluster.machines.lock();
        for (id, container) in &state.containers {
            let Some(memory) = oracle::memory(container).filter(|_| oracle::is_of(container, self.names))
            else {
                continue;
            };
            let belief = memory.cell().look(|ram| {
                format!(
                    "{}{:?}, {} the queue, in pod {}, epoch {}, nonce {}, ledger {}",
                    if container.runs() { "" } else { "dead; was " },
                    ram.role(),
                    if ram.consumes_primary() { "consumes" } else { "does not consume" },
                    ram.pod_uid(),
                    ram.epoch(),
                    ram.nonce().unwrap_or("none"),
                    serde_json::to_string(ram.ledger()).unwrap_or_default(),
                )
            });
            beliefs.push(Belief { party: format!("process {id} on {}", container.node), belief });
        }
        drop(state);
        for queue in cluster.broker.queues() {
            let (name, ready, unacked) = (&queue.name, queue.ready, queue.unacked);
            let consumers: Vec<&str> = queue.consumers.iter().map(|c| c.connection.as_str()).collect();
            beliefs.push(Belief {
                party: "broker".to_owned(),
                belief: format!("{name}: {ready} ready, {unacked} unacked, consumed by {consumers:?}"),
            });
        }
        beliefs
    }

    pub(super) fn object(&self, cluster: &Cluster) -> Option<Arc<serde_json::Value>> {
        cluster.migration(self.names)
    }
}
