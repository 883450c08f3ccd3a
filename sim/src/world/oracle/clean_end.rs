use std::time::Duration;

use ms2m::api::{LABEL_MIGRATION_UID, Phase, StatefulMigrationStatus};

use super::{Oracle, is_kept, uids_of_pods};
use crate::world::{Cluster, objects};

impl Oracle {
    /// In a terminal phase, and when its object is gone, nothing of the migration is left over, and `Q`'s bindings are as they were.
    pub(super) fn clean_end(
        &mut self,
        cluster: &Cluster,
        (status, gone): (&StatefulMigrationStatus, bool),
        at: Duration,
    ) {
        if is_kept(status) || !(gone || status.phase.is_terminal()) {
            return;
        }
        let left = [
            self.queues_left(cluster, status),
            self.objects_left(cluster, status),
            self.checkpoints_left(cluster, status),
            self.bindings_left(cluster),
            self.routes_left(cluster, status),
        ];
        let left: Vec<String> = left.into_iter().flatten().collect();
        if !left.is_empty() {
            self.broke(at, "CleanEnd", format_args!("left over: {}", left.join(", ")));
        }
    }

    fn queues_left(&self, cluster: &Cluster, status: &StatefulMigrationStatus) -> Vec<String> {
        let pods = uids_of_pods(cluster);
        let uid = migration_uid(status, self);
        // Control queues of the pods that it knew, or that told it who they are, and that are no more.
        let mut known: Vec<String> = status.source.iter().map(|source| source.uid.clone()).collect();
        known.extend(self.restored.pods().cloned());
        if let Some(target) = &status.target {
            known.extend(target.uid.clone());
            known.extend(target.retired.clone());
            // The survivor's is its own, and whoever deletes that pod later has to see to it.
            known.retain(|uid| status.phase != Phase::Completed || target.uid.as_ref() != Some(uid));
        }
        let outlived = |pod: &str| {
            self.outlived.as_ref().is_some_and(|outlived| outlived.contains(pod))
                || self.fates.was_abandoned(pod)
        };
        let is_left = |name: &str| match name.strip_prefix("ms2m.control.") {
            Some(pod) => known.iter().any(|known| known == pod) && !pods.contains(pod) && !outlived(pod),
            None => {
                name.starts_with(&format!("{}.ms2m.", self.names.queue()))
                    || uid.as_ref().is_some_and(|uid| name == format!("ms2m.replies.{uid}"))
            }
        };
        let queues = cluster.broker.queues().into_iter().filter(|queue| is_left(&queue.name));
        queues.map(|queue| format!("queue {}", queue.name)).collect()
    }

    fn objects_left(&self, cluster: &Cluster, status: &StatefulMigrationStatus) -> Vec<String> {
        let name = self.names.migration();
        let of_this = |object: &serde_json::Value| {
            object["metadata"]["annotations"][ms2m::api::ANNOTATION_MIGRATION_NAME] == name.as_str()
        };
        let named =
            |object: &serde_json::Value| object["metadata"]["name"].as_str().unwrap_or("?").to_owned();
        let jobs = cluster.api.list("batch", "jobs", objects::NAMESPACE);
        let mut left: Vec<String> =
            jobs.iter().filter(|job| of_this(job)).map(|job| format!("job {}", named(job))).collect();
        if status.phase != Phase::Completed {
            let pods = cluster.api.list("", "pods", objects::NAMESPACE);
            let marked = pods
                .iter()
                .filter(|pod| of_this(pod) && pod["metadata"]["labels"][LABEL_MIGRATION_UID].is_string());
            left.extend(marked.map(|pod| format!("the mark of pod {}", named(pod))));
        }
        left
    }

    /// The Service selects the pod that does the work now, and no other.
    fn routes_left(&self, cluster: &Cluster, status: &StatefulMigrationStatus) -> Vec<String> {
        let works = match status.phase {
            Phase::Completed => self.names.shadow(),
            _ => cluster.source_pod(self.names),
        };
        let pods = cluster.api.list("", "pods", objects::NAMESPACE);
        if pods.iter().all(|pod| pod["metadata"]["name"] != works.as_str()) {
            return Vec::new();
        }
        let service = cluster.api.get("", "services", objects::NAMESPACE, &self.names.service());
        let selector = service.map(|service| service["spec"]["selector"].clone()).unwrap_or_default();
        let selects = |pod: &serde_json::Value| {
            let labels = &pod["metadata"]["labels"];
            selector
                .as_object()
                .is_some_and(|wanted| wanted.iter().all(|(name, value)| labels[name] == *value))
        };
        let selected: Vec<&str> = pods
            .iter()
            .filter(|pod| selects(pod))
            .filter_map(|pod| pod["metadata"]["name"].as_str())
            .collect();
        if selected == [works.as_str()] {
            return Vec::new();
        }
        vec![format!("a Service that selects {selected:?}, and not {works}")]
    }

    fn bindings_left(&self, cluster: &Cluster) -> Vec<String> {
        let replay = format!("{}.ms2m.", self.names.queue());
        let mut bindings = cluster.broker.bindings();
        bindings.retain(|binding| binding.queue == self.names.queue() || binding.queue.starts_with(&replay));
        if bindings == self.bindings { Vec::new() } else { vec![format!("bindings {bindings:?}")] }
    }

    /// Archives and images of the source, but for the image that is kept by policy, and what the status, or an earlier one,
    /// names as left.
    fn checkpoints_left(&self, cluster: &Cluster, status: &StatefulMigrationStatus) -> Vec<String> {
        let Some(source) = status.source.as_ref() else { return Vec::new() };
        let told = status.cleanup.iter().flat_map(|cleanup| &cleanup.checkpoint_left);
        let told: Vec<&String> = told.chain(&self.left_before).collect();
        let is_told = |mark: &str| told.iter().any(|text| text.contains(mark));
        let state = cluster.machines.lock();
        let archives = state.archives.iter();
        let archives =
            archives.filter(|(_, archive)| archive.pod_uid == source.uid && !is_told(&archive.container_id));
        let mut left: Vec<String> =
            archives.map(|((node, path), _)| format!("archive {path} on {node}")).collect();
        let mut images = state.checkpoint_images();
        images.retain(|image| {
            let is_named = is_told(&image.digest) || image.tags.iter().any(|tag| is_told(tag));
            image.archive.pod_uid == source.uid && !is_named
        });
        let images = images.len();
        let kept = usize::from(self.keeps_image && status.phase == Phase::Completed);
        if images != kept {
            left.push(format!("{images} checkpoint images, of {kept} to be kept; it says {told:?}"));
        }
        left
    }
}

/// UID of the migration, as far as its status tells it.
pub(super) fn migration_uid(status: &StatefulMigrationStatus, oracle: &Oracle) -> Option<String> {
    let replay = &status.mirror.as_ref()?.replay_queue;
    replay.strip_prefix(&format!("{}.ms2m.", oracle.names.queue())).map(str::to_owned)
}
