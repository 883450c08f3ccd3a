//! Pods that the cluster itself deletes, because their node was silent for longer than they tolerate.

use serde_json::Value;

use super::{drive::Drive, objects};

impl Drive {
    /// Notes whom the cluster has evicted: the process dies when its kubelet hears of it, and that is nobody's mistake.
    pub(super) fn look_for_evictions(&mut self) {
        let pods = self.cluster.api.list("", "pods", objects::NAMESPACE);
        for pod in pods.iter().filter(|pod| is_evicted(pod)) {
            let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
            let (name, uid) = (text("name"), text("uid"));
            let state = self.cluster.machines.lock();
            let of_it = state.containers.iter().filter(|(_, container)| container.pod_uid == uid);
            for (id, container) in of_it {
                for party in &mut self.parties {
                    party.oracle.expects_death_of(id, container);
                }
            }
            drop(state);
            for party in self.parties.iter().filter(|party| party.asked.is_some()) {
                if party.names.is_source(name) {
                    self.reached.reach("source evicted from a node that was lost");
                } else if party.names.shadow() == name {
                    self.reached.reach("target evicted from a node that was lost");
                }
            }
        }
    }
}

fn is_evicted(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["reason"] == "DeletionByTaintManager")
}
