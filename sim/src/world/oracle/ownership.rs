use std::time::Duration;

use ms2m::api::{Phase, StatefulMigrationStatus};
use ms2m_app::engine::Role;

use super::{Oracle, memory};
use crate::world::{Cluster, Container, Names};

impl Oracle {
    /// At no instant do two pods own `Q`. Of those that consume a queue with a single active consumer only that one does.
    pub(super) fn one_owner(&mut self, cluster: &Cluster, status: &StatefulMigrationStatus, at: Duration) {
        let mut owners: Vec<(String, String)> = {
            let state = cluster.machines.lock();
            let owners = state.containers.values().filter(|container| owns(container, self.names));
            owners.map(|container| (container.host.clone(), container.pod_uid.clone())).collect()
        };
        if owners.len() < 2 {
            return;
        }
        let (queue, queues) = (self.names.queue(), cluster.broker.queues());
        let consumers = queues.iter().filter(|known| known.name == queue).flat_map(|known| &known.consumers);
        let waiting: Vec<&str> =
            consumers.filter(|one| !one.active).map(|one| one.connection.as_str()).collect();
        let all = owners.clone();
        owners.retain(|(_, pod_uid)| !waiting.contains(&pod_uid.as_str()));
        let names = |of: &[(String, String)]| {
            of.iter().map(|(host, _)| host.clone()).collect::<Vec<_>>().join(" and ")
        };
        if owners.len() > 1 {
            self.broke(at, "OneOwner", format_args!("{} own the queue", names(&owners)));
        }
        // Whoever is fenced may wait, but not be let in.
        let has_switched = status.handover.as_ref().is_some_and(|handover| handover.switched_at.is_some());
        let target = status.target.as_ref().and_then(|target| target.uid.as_ref());
        let is_target = |pod_uid: &String| Some(pod_uid) == target;
        let is_let_in = owners.iter().any(|(_, pod_uid)| !is_target(pod_uid));
        if has_switched && is_let_in && all.iter().any(|(_, pod_uid)| is_target(pod_uid)) {
            self.broke(
                at,
                "OneOwner",
                format_args!("{} owns the queue, and the target waits", names(&owners)),
            );
        }
    }

    /// Who owns the queue is who the status says: the target only when the point of no return is recorded, and a source whose
    /// `STOPPED` is on record not before it is told to resume, because the target drains against its ledger.
    pub(super) fn owns_on_the_record(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
    ) {
        let passed = status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some());
        let early =
            cluster.machines.lock().containers.values().any(|container| {
                !passed && owns(container, self.names) && container.pod == self.names.shadow()
            });
        if early {
            self.broke(at, "OneOwner", "the target owns the queue before the point of no return is recorded");
        }
        let stopped = status.handover.as_ref().is_some_and(|handover| handover.stopped.is_some());
        let Some(source) = status.source.as_ref().filter(|_| stopped && status.phase == Phase::SwitchingOver)
        else {
            return;
        };
        let owner = {
            let state = cluster.machines.lock();
            let mut of_source = state.containers.values().filter(|container| container.pod_uid == source.uid);
            of_source.find(|container| owns(container, self.names)).map(|container| container.host.clone())
        };
        if let Some(owner) = owner {
            self.broke(
                at,
                "OneOwner",
                format_args!("{owner} consumes again though its STOPPED is on record"),
            );
        }
    }
}

/// Whether it is a process of this workload.
pub(in crate::world) fn is_of(container: &Container, names: Names) -> bool {
    names.has_pod(&container.pod)
}

/// Whether it is a process of this workload that runs, believes to own the queue, and holds it. A copy whose RAM still
/// names another pod than the one it is in has not looked around yet: its connections are the source's, and dead, so it
/// can do nothing with that belief.
pub(super) fn owns(container: &Container, names: Names) -> bool {
    let holds = |container: &Container| {
        memory(container).is_some_and(|memory| {
            memory.cell().look(|ram| {
                ram.role() == Role::Owner && ram.consumes_primary() && ram.pod_uid() == container.pod_uid
            })
        })
    };
    is_of(container, names) && container.runs() && holds(container)
}
