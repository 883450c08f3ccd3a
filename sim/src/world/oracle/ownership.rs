use std::time::Duration;

use ms2m::api::{Phase, StatefulMigrationStatus};
use ms2m_app::engine::Role;

use super::{Oracle, memory};
use crate::world::{Cluster, Container, Names};

impl Oracle {
    /// At no instant do two pods own `Q`. Of a queue with a single active consumer that one owns it: the broker lets whoever waits
    /// in at the very moment at which it loses the other, which hears of that later. So does a process that stood still while the broker
    /// gave it up: until then it owns as much as the broker serves it.
    pub(super) fn one_owner(&mut self, cluster: &Cluster, at: Duration) {
        let mut owners: Vec<(String, String, bool)> = {
            let state = cluster.machines.lock();
            let owners = state.containers.values().filter(|container| owns(container, self.names));
            owners.map(|it| (it.host.clone(), it.pod_uid.clone(), it.stood_still)).collect()
        };
        if owners.len() < 2 {
            return;
        }
        let (name, queues) = (self.names.queue(), cluster.broker.queues());
        if let Some(queue) = queues.iter().find(|queue| queue.name == name) {
            let served: Vec<&String> = queue.consumers.iter().map(|consumer| &consumer.connection).collect();
            owners.retain(|(_, pod_uid, stood_still)| match (queue.single_active, stood_still) {
                (true, _) => served.first() == Some(&pod_uid),
                (false, true) => served.contains(&pod_uid),
                (false, false) => true,
            });
        }
        if owners.len() > 1 {
            let hosts: Vec<String> = owners.into_iter().map(|(host, ..)| host).collect();
            self.broke(at, "OneOwner", format_args!("{} own the queue", hosts.join(" and ")));
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

/// Whether it is a process of this workload that holds its state.
pub(in crate::world) fn is_of(container: &Container, names: Names) -> bool {
    container.holds_state() && names.has_pod(&container.pod)
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
    container.runs() && is_of(container, names) && holds(container)
}
