use std::collections::{BTreeMap, BTreeSet};

use ms2m::{
    api::{Phase, StatefulMigrationStatus},
    protocol::names::{replay_queue, replies_queue},
};

use crate::world::Names;

/// Every migration that there was, and which pods are which workload's: who owns what the operator touches.
#[derive(Default)]
pub(super) struct Owners {
    workloads: BTreeMap<usize, Names>,
    migrations: BTreeMap<String, Owner>,
    /// Names of pods, by UID.
    pods: BTreeMap<String, String>,
}

/// A migration, as far as its object has told.
pub(super) struct Owner {
    pub(super) uid: String,
    pub(super) name: String,
    /// As they were in that migration.
    pub(super) names: Names,
    pub(super) status: StatefulMigrationStatus,
    /// UIDs of its source and of all its shadows.
    pub(super) pods: BTreeSet<String>,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    /// The workload, by its index.
    pub(super) workload: usize,
    /// The migration's UID, where it is not the workload's in every migration.
    pub(super) migration: Option<String>,
}

impl Owner {
    /// It has begun, and is not over.
    pub(super) fn is_under_way(&self) -> bool {
        self.status.source.is_some() && !self.status.phase.is_terminal()
    }

    /// Its status says that what it made is to be taken down.
    pub(super) fn takes_down(&self) -> bool {
        let status = &self.status;
        let passed = status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some());
        passed || status.abort.is_some() || status.phase == Phase::RollingBack || status.phase.is_terminal()
    }

    /// What names it and nothing else.
    fn marks(&self) -> impl Iterator<Item = &str> {
        let source = self.status.source.iter().flat_map(|source| [&source.uid, &source.container_id]);
        let checkpoint = self.status.checkpoint.iter();
        let checkpoint = checkpoint.flat_map(|checkpoint| checkpoint.archive.iter().chain(&checkpoint.image));
        let all = std::iter::once(&self.uid).chain(source).chain(checkpoint).chain(&self.status.nonce);
        all.map(String::as_str).filter(|mark| !mark.is_empty())
    }
}

impl Owners {
    /// Takes in what a migration's object says.
    pub(super) fn learn(&mut self, names: Names, uid: &str, name: &str, status: &StatefulMigrationStatus) {
        self.workloads.insert(names.index, names);
        let new = || Owner {
            uid: uid.to_owned(),
            name: name.to_owned(),
            names,
            status: StatefulMigrationStatus::default(),
            pods: BTreeSet::new(),
        };
        let owner = self.migrations.entry(uid.to_owned()).or_insert_with(new);
        owner.status.clone_from(status);
        owner.pods.extend(status.source.iter().map(|source| source.uid.clone()));
        let target = status.target.iter();
        owner.pods.extend(target.flat_map(|target| target.uid.iter().chain(&target.retired)).cloned());
    }

    /// Takes in what a pod is called.
    pub(super) fn learn_pod(&mut self, uid: &str, name: &str) {
        if !self.pods.contains_key(uid) {
            self.pods.insert(uid.to_owned(), name.to_owned());
        }
    }

    pub(super) fn migration(&self, uid: &str) -> Option<&Owner> {
        self.migrations.get(uid)
    }

    pub(super) fn migrations(&self) -> impl Iterator<Item = &Owner> {
        self.migrations.values()
    }

    /// A workload's migrations.
    pub(super) fn of_workload(&self, workload: usize) -> impl Iterator<Item = &Owner> {
        self.migrations.values().filter(move |owner| owner.names.index == workload)
    }

    /// Whether a migration of another workload is under way, on whose behalf something may be done by mistake.
    pub(super) fn others_are_under_way(&self, workload: usize) -> bool {
        self.migrations.values().any(|owner| owner.names.index != workload && owner.is_under_way())
    }

    /// The workload that has a pod of this name.
    pub(super) fn workload_of_pod(&self, name: &str) -> Option<usize> {
        self.workloads.values().find(|names| names.has_pod(name)).map(|names| names.index)
    }

    /// The workload that has the pod of this UID.
    pub(super) fn workload_of_uid(&self, pod_uid: &str) -> Option<usize> {
        let known = self.migrations.values().find(|owner| owner.pods.contains(pod_uid));
        let known = known.map(|owner| owner.names.index);
        known.or_else(|| self.workload_of_pod(self.pods.get(pod_uid)?))
    }

    /// Whose a queue is; none where it is nobody's that is known.
    pub(super) fn of_queue(&self, queue: &str) -> Option<Whose> {
        if let Some(pod) = queue.strip_prefix("ms2m.control.") {
            return Some(Whose { workload: self.workload_of_uid(pod)?, migration: None });
        }
        let primary = self.workloads.values().find(|names| names.queue() == queue);
        if let Some(names) = primary {
            return Some(Whose { workload: names.index, migration: None });
        }
        let is_its = |owner: &&Owner| {
            queue == replies_queue(&owner.uid) || queue == replay_queue(&owner.names.queue(), &owner.uid)
        };
        let owner = self.migrations.values().find(is_its)?;
        Some(Whose { workload: owner.names.index, migration: Some(owner.uid.clone()) })
    }

    /// A migration of another workload than this one's that a text names, and what it names of it.
    pub(super) fn stranger_in<'a>(&'a self, owner: &Owner, text: &str) -> Option<(&'a Owner, &'a str)> {
        let others = self.migrations.values().filter(|other| other.names.index != owner.names.index);
        let mut named = others.flat_map(|other| other.marks().map(move |mark| (other, mark)));
        named.find(|(_, mark)| text.contains(mark))
    }
}
