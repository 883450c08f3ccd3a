use ms2m::api::StatefulMigrationStatus;
use std::time::Duration;

use super::{Cluster, Names, Oracle, objects, oracle};
use crate::{
    plan::Workload,
    report::{Belief, MigrationReport, WorkloadReport},
};

/// One workload's migration, as the run follows it.
pub(super) struct Party {
    pub(super) names: Names,
    pub(super) workload: Workload,
    pub(super) oracle: Oracle,
    pub(super) status: StatefulMigrationStatus,
    /// When the migration was asked for, and how often the operator had written by then.
    pub(super) asked: Option<(Duration, u32)>,
    /// The user has deleted the migration.
    pub(super) cancelled: bool,
    /// The object is gone.
    pub(super) gone: bool,
}

impl Party {
    pub(super) fn new(index: usize, workload: &Workload, cluster: &Cluster, may_repeat: bool) -> Self {
        let names = Names(index);
        Self {
            names,
            workload: workload.clone(),
            oracle: Oracle::new(names, cluster, may_repeat),
            status: StatefulMigrationStatus::default(),
            asked: None,
            cancelled: false,
            gone: false,
        }
    }

    /// Nothing more will happen to it.
    pub(super) fn is_over(&self) -> bool {
        self.asked.is_some() && if self.cancelled { self.gone } else { self.status.phase.is_terminal() }
    }

    pub(super) fn source(&self, cluster: &Cluster) -> Option<String> {
        cluster.running(&self.names.source())
    }

    pub(super) fn target(&self, cluster: &Cluster) -> Option<String> {
        cluster.running(&self.names.shadow())
    }

    pub(super) fn conclude(&mut self, cluster: &Cluster, at: Duration) -> WorkloadReport {
        let mut report = WorkloadReport {
            name: self.names.migration(),
            migration: MigrationReport::from(&self.status),
            ..WorkloadReport::default()
        };
        self.oracle.conclude(cluster, &self.status, at, &mut report);
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
            let Some(memory) = oracle::memory(container)
                .filter(|_| container.pod == self.names.source() || container.pod == self.names.shadow())
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

    pub(super) fn object(&self, cluster: &Cluster) -> Option<serde_json::Value> {
        cluster.api.get(
            "migration.ms2m.io",
            "statefulmigrations",
            objects::NAMESPACE,
            &self.names.migration(),
        )
    }
}
