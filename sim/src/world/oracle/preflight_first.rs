use std::time::Duration;

use super::Oracle;
use crate::world::{Cluster, objects};

impl Oracle {
    /// What the preflight refuses costs nothing: there is no replay queue.
    pub(super) fn mirrors_nothing(&mut self, cluster: &Cluster, at: Duration) {
        if self.may_begin {
            return;
        }
        let replay = format!("{}.ms2m.", self.names.queue());
        if cluster.broker.queues().iter().any(|queue| queue.name.starts_with(&replay)) {
            self.broke(at, "PreflightFirst", "there is a replay queue");
        }
    }

    /// The same of pods, Jobs and Services: none is made or changed.
    pub(super) fn created_nothing(&mut self, cluster: &Cluster, at: Duration) {
        if self.may_begin {
            return;
        }
        let writes = cluster.api.log_of_writes();
        let created = writes.iter().find(|write| {
            write.changed
                && write.manager == ms2m::api::FIELD_MANAGER
                && write.namespace == objects::NAMESPACE
                && matches!(write.plural.as_str(), "pods" | "jobs" | "services")
                && self.is_about_this(cluster, &write.name)
        });
        if let Some(write) = created {
            let message = format!("{:?} {} {}", write.verb, write.plural, write.name);
            self.broke(at, "PreflightFirst", message);
        }
    }

    /// Whether an object of this name may have been written for this migration.
    fn is_about_this(&self, cluster: &Cluster, name: &str) -> bool {
        let is_alone = cluster.traffic.len() == 1;
        let uid = || {
            let (group, plural) = ("migration.ms2m.io", "statefulmigrations");
            let object = cluster.api.get(group, plural, objects::NAMESPACE, &self.names.migration())?;
            object["metadata"]["uid"].as_str().map(str::to_owned)
        };
        is_alone
            || self.names.has_pod(name)
            || name == self.names.source()
            || uid().is_some_and(|uid| name.contains(&uid))
    }
}
