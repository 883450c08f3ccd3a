//! Isolation: concurrent migrations do not touch each other's queues, pods or images.
//!
//! Everything that the operator touches is some migration's, as its name tells, and is touched on behalf of that one alone:
//!
//! ```text
//!   owners        who there is, and whose a name, a UID, a queue is
//!   queues        a channel serves one migration all its life; a message names the migration whose queue it goes to;
//!                 the replay queue is bound as its own primary queue is; what is deleted, its own migration gave up
//!   objects       pods and Jobs have the marks of the one whose names they have, and name nothing of another's; who is
//!                 checkpointed or deleted has a migration that has come so far
//!   checkpoints   a Job pushes and deletes its own source's, under its own migration's tag
//! ```
//! One for all workloads, and so held by the drive.

mod checkpoints;
mod objects;
mod owners;
mod queues;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ms2m::{
    api::{StatefulMigration, StatefulMigrationStatus},
    kubernetes::client::USER_AGENT,
    protocol::names::replay_queue,
};

use self::{owners::Owners, queues::Lane};
use crate::{
    apiserver::RequestRecord,
    world::{Cluster, Names, objects::NAMESPACE},
};

/// See the module.
#[derive(Default)]
pub(in crate::world) struct Isolation {
    owners: Owners,
    /// By connection and channel.
    lanes: BTreeMap<(u64, u16), Lane>,
    /// How much of each history was judged.
    acts: usize,
    requests: usize,
    handlings: usize,
}

impl Isolation {
    /// Takes in a migration's object; says what in its status is another's.
    pub(in crate::world) fn follow(&mut self, names: Names, object: &StatefulMigration) -> Option<String> {
        let metadata = &object.metadata;
        let (Some(uid), Some(name)) = (&metadata.uid, &metadata.name) else { return None };
        let status = object.status.clone().unwrap_or_default();
        self.owners.learn(names, uid, name, &status);
        self.names_its_own(uid, &object.spec.broker.queue, &status).err()
    }

    /// A status is about its own workload, or about the queue that the user mistook for its own.
    fn names_its_own(&self, uid: &str, queue: &str, status: &StatefulMigrationStatus) -> Result<(), String> {
        let Some(owner) = self.owners.migration(uid) else { return Ok(()) };
        let replay = replay_queue(queue, uid);
        if let Some(mirror) = status.mirror.as_ref().filter(|mirror| mirror.replay_queue != replay) {
            return Err(format!(
                "{} has the replay queue {}, and not {replay}",
                owner.name, mirror.replay_queue
            ));
        }
        let written = serde_json::to_string(status).unwrap_or_default();
        match self.owners.stranger_in(owner, &written) {
            Some((stranger, mark)) => {
                Err(format!("the status of {} names {mark}, which is {}'s", owner.name, stranger.name))
            }
            None => Ok(()),
        }
    }

    /// Judges what the operator has done since the last look. What the objects say is taken in before.
    pub(in crate::world) fn look(&mut self, cluster: &Cluster) -> Option<String> {
        let acts = cluster.broker.acts_since(self.acts);
        let requests = cluster.api.requests_since(self.requests);
        let handlings = {
            let state = cluster.machines.lock();
            let handlings = state.handlings.get(self.handlings..).unwrap_or_default().to_vec();
            if !acts.is_empty() || !handlings.is_empty() {
                for container in state.containers.values() {
                    self.owners.learn_pod(&container.pod_uid, &container.pod);
                }
            }
            handlings
        };
        self.acts += acts.len();
        self.requests += requests.len();
        self.handlings += handlings.len();
        let mut broken = Vec::new();
        for act in &acts {
            let lane = self.lanes.entry((act.client, act.channel)).or_default();
            broken.extend(queues::judge(&self.owners, lane, act).err());
        }
        for request in requests.iter().filter(|request| is_the_operators(request)) {
            let object = cluster.api.get(&request.group, &request.plural, NAMESPACE, &request.name);
            let works = works(cluster, &request.uid);
            broken.extend(objects::judge(&self.owners, request, object.as_deref(), works).err());
        }
        for handling in &handlings {
            broken.extend(checkpoints::judge(&self.owners, handling).err());
        }
        broken.into_iter().next()
    }
}

/// Whether a process runs in a pod that came up from a checkpoint, and is the pod's first: nothing is wrong with it.
fn works(cluster: &Cluster, pod_uid: &str) -> bool {
    let state = cluster.machines.lock();
    let mut restored = state.containers.values().filter(|process| process.restored_from.is_some());
    !pod_uid.is_empty()
        && restored.any(|process| process.pod_uid == pod_uid && process.runs() && process.attempt == 0)
}

/// Whether the operator changed something by it. A kubelet that wrote a checkpoint stores nothing at the API server; one that was
/// never asked, because the request was lost, wrote none.
fn is_the_operators(request: &RequestRecord) -> bool {
    let is_checkpoint =
        request.subresource.starts_with("proxy/checkpoint/") && (200..300).contains(&request.code);
    request.user_agent == USER_AGENT && request.verb.is_write() && (request.changed || is_checkpoint)
}
