//! The shadow pod: the source's pod once more, on another node, from the checkpoint image.
//!
//! ```text
//!   source pod ──template──► annotation of the migration ──build──► shadow pod
//! ```
//!
//! The template is kept with the migration before the source is touched, because a shadow may have to be created
//! again when the source is long gone.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, EnvVar, LocalObjectReference, Pod, PodSpec, VolumeMount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use ms2m_app::engine::ENV_RESTORE;

use super::MigrationRef;
use crate::api::{ANNOTATION_MIGRATION_NAME, LABEL_MIGRATION_UID};

/// Annotation of a shadow pod: the labels, as JSON, that it gets when the Services are pointed at it.
///
/// Until then it has none of them: a Service would send requests to a copy that does not own the work yet.
pub const ANNOTATION_LABELS: &str = "migration.ms2m.io/labels";

/// Prefix of the volume that admission adds for the service account's token.
const TOKEN_VOLUME_PREFIX: &str = "kube-api-access-";
/// Prefixes of annotations that say something about one pod's own life.
const OWN_ANNOTATIONS: [&str; 5] =
    ["cni.", "k8s.ovn.org/", "k8s.v1.cni.cncf.io/", "kubectl.kubernetes.io/", "kubernetes.io/config."];
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// What of a shadow differs from one creation to the next.
#[derive(Clone, Copy, Debug)]
pub struct Shadow<'a> {
    /// The migration.
    pub migration: &'a MigrationRef,
    /// Its name.
    pub name: &'a str,
    /// The container that holds the state.
    pub container: &'a str,
    /// The target node.
    pub node: &'a str,
    /// The checkpoint image, by digest.
    pub image: &'a str,
    /// The migration's epoch.
    pub epoch: u64,
    /// Secret with which the node may pull it.
    pub pull_secret: Option<&'a str>,
}

/// The source without what one node or one admission put into it.
pub fn template(source: &Pod) -> Pod {
    let keep_label = |name: &str| name != LABEL_MIGRATION_UID;
    let keep_annotation = |name: &str| {
        name != ANNOTATION_MIGRATION_NAME
            && name != ANNOTATION_LABELS
            && !OWN_ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix))
    };
    let kept = |map: Option<&BTreeMap<String, String>>, keep: &dyn Fn(&str) -> bool| {
        let kept = map.into_iter().flatten().filter(|(name, _)| keep(name));
        Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    Pod {
        metadata: ObjectMeta {
            labels: kept(source.metadata.labels.as_ref(), &keep_label),
            annotations: kept(source.metadata.annotations.as_ref(), &keep_annotation),
            ..Default::default()
        },
        spec: source.spec.clone().map(portable),
        status: None,
    }
}

fn portable(mut spec: PodSpec) -> PodSpec {
    spec.node_name = None;
    spec.ephemeral_containers = None;
    // Admission computes these anew from the class names, and refuses values that it would not have chosen.
    spec.overhead = None;
    spec.preemption_policy = None;
    spec.priority = None;
    if let Some(selector) = &mut spec.node_selector {
        selector.remove(HOSTNAME_LABEL);
    }
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| !volume.name.starts_with(TOKEN_VOLUME_PREFIX));
    }
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        drop_token_mount(container);
    }
    spec
}

fn drop_token_mount(container: &mut Container) {
    let is_token = |mount: &VolumeMount| mount.name.starts_with(TOKEN_VOLUME_PREFIX);
    if let Some(mounts) = &mut container.volume_mounts {
        mounts.retain(|mount| !is_token(mount));
    }
}

/// The shadow pod that a [`template`] makes.
pub fn build(template: &Pod, shadow: &Shadow<'_>) -> Pod {
    let labels = template.metadata.labels.clone().unwrap_or_default();
    let mut annotations = template.metadata.annotations.clone().unwrap_or_default();
    annotations.extend(shadow.migration.annotations());
    // A map of strings has no other form in JSON.
    annotations.insert(ANNOTATION_LABELS.to_owned(), serde_json::to_string(&labels).unwrap_or_default());
    let mut spec = template.spec.clone().unwrap_or_default();
    spec.node_name = Some(shadow.node.to_owned());
    // A kubelet that restarts the container would restore the old checkpoint behind the operator's back.
    spec.restart_policy = Some("Never".to_owned());
    if let Some(secret) = shadow.pull_secret {
        let secrets = spec.image_pull_secrets.get_or_insert_default();
        if !secrets.iter().any(|known| known.name == secret) {
            secrets.push(LocalObjectReference { name: secret.to_owned() });
        }
    }
    if let Some(container) = spec.containers.iter_mut().find(|container| container.name == shadow.container) {
        restore(container, shadow);
    }
    Pod {
        metadata: ObjectMeta {
            name: Some(shadow.name.to_owned()),
            namespace: Some(shadow.migration.namespace.clone()),
            labels: Some(shadow.migration.labels()),
            annotations: Some(annotations),
            ..Default::default()
        },
        spec: Some(spec),
        status: None,
    }
}

fn restore(container: &mut Container, shadow: &Shadow<'_>) {
    container.image = Some(shadow.image.to_owned());
    // A restored process has the source's environment in its RAM. Only one that was wrongly started anew reads this,
    // and must then say that it has nothing, and keep its hands off the queue.
    let env = container.env.get_or_insert_default();
    env.retain(|variable| variable.name != ENV_RESTORE);
    env.push(EnvVar {
        name: ENV_RESTORE.to_owned(),
        value: Some(format!("{}/{}", shadow.migration.uid, shadow.epoch)),
        ..Default::default()
    });
    container.image_pull_policy = Some("IfNotPresent".to_owned());
    // The process has started long ago; what is to happen once after its start has happened.
    if let Some(lifecycle) = &mut container.lifecycle {
        lifecycle.post_start = None;
    }
}

/// The labels that wait in [`ANNOTATION_LABELS`].
pub fn waiting_labels(shadow: &Pod) -> BTreeMap<String, String> {
    let annotations = shadow.metadata.annotations.as_ref();
    let waiting = annotations.and_then(|annotations| annotations.get(ANNOTATION_LABELS));
    waiting.and_then(|labels| serde_json::from_str(labels).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source() -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "counter", "namespace": "shop", "uid": "u-1", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app": "counter", LABEL_MIGRATION_UID: "m-0"},
                "annotations": {"prometheus.io/scrape": "true", "cni.projectcalico.org/podIP": "10.0.0.1",
                                ANNOTATION_MIGRATION_NAME: "earlier"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"}],
                "finalizers": ["example.com/f"],
            },
            "spec": {
                "nodeName": "node-a",
                "nodeSelector": {HOSTNAME_LABEL: "node-a", "disk": "ssd"},
                "priority": 0,
                "preemptionPolicy": "PreemptLowerPriority",
                "restartPolicy": "Always",
                "serviceAccountName": "counter",
                "imagePullSecrets": [{"name": "pull"}],
                "containers": [
                    {"name": "counter", "image": "counter:1", "imagePullPolicy": "Always",
                     "env": [{"name": "QUEUE", "value": "orders"}],
                     "lifecycle": {"postStart": {"exec": {"command": ["warm-up"]}}},
                     "volumeMounts": [
                        {"name": "podinfo", "mountPath": "/etc/podinfo"},
                        {"name": "kube-api-access-x2x4z", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                     ]},
                    {"name": "sidecar", "image": "sidecar:1"},
                ],
                "volumes": [
                    {"name": "podinfo", "downwardAPI": {"items": [
                        {"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
                    {"name": "kube-api-access-x2x4z", "projected": {"sources": []}},
                ],
            },
            "status": {"phase": "Running"},
        }))
        .unwrap()
    }

    #[test]
    fn is_the_source_once_more_without_what_was_only_its_own() {
        let migration =
            MigrationRef { namespace: "shop".to_owned(), name: "move".to_owned(), uid: "m-1".to_owned() };
        let shadow = Shadow {
            migration: &migration,
            name: "counter-shadow",
            container: "counter",
            node: "node-b",
            image: "registry.example.com/checkpoints@sha256:ab",
            epoch: 1,
            pull_secret: Some("push"),
        };
        let pod = build(&template(&source()), &shadow);
        insta::assert_yaml_snapshot!(pod);
        assert_eq!(waiting_labels(&pod), BTreeMap::from([("app".to_owned(), "counter".to_owned())]));
    }

    #[test]
    fn a_template_survives_being_written_down() {
        let template = template(&source());
        let text = serde_json::to_string(&template).unwrap();
        assert_eq!(serde_json::from_str::<Pod>(&text).unwrap(), template);
    }

    #[test]
    fn a_pull_secret_that_the_pod_has_is_not_added_twice() {
        let migration =
            MigrationRef { namespace: "shop".to_owned(), name: "move".to_owned(), uid: "m-1".to_owned() };
        let shadow = Shadow {
            migration: &migration,
            name: "s",
            container: "counter",
            node: "n",
            image: "i",
            epoch: 1,
            pull_secret: Some("pull"),
        };
        let spec = build(&template(&source()), &shadow).spec.unwrap();
        assert_eq!(spec.image_pull_secrets.unwrap().len(), 1);
    }
}
