//! What is done to the source pod and to the shadow pod.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use super::{
    MigrationRef,
    failure::{failure, is_absent, is_conflict},
};
use crate::{
    api::{ANNOTATION_MIGRATION_NAME, FIELD_MANAGER, LABEL_MIGRATION_UID, reason},
    protocol::EffectFailure,
};

/// The pods of a namespace.
pub fn api(client: &kube::Client, namespace: &str) -> Api<Pod> {
    Api::namespaced(client.clone(), namespace)
}

/// Labels the source, so that its changes wake the operator.
pub async fn label_source(
    pods: &Api<Pod>,
    pod: &str,
    uid: &str,
    migration: &MigrationRef,
) -> Result<(), EffectFailure> {
    let metadata = json!({"uid": uid, "labels": migration.labels(), "annotations": migration.annotations()});
    patch_metadata(pods, pod, metadata)
        .await
        .map_err(|error| failure(&format!("labelling pod {pod}"), reason::SOURCE_NOT_FOUND, &error))
}

/// Removes that label, where the pod is still there and the label is this migration's.
pub async fn unlabel_source(
    pods: &Api<Pod>,
    pod: &str,
    migration: &MigrationRef,
) -> Result<(), EffectFailure> {
    let failed = |error| failure(&format!("removing the label of pod {pod}"), reason::LEFT_BEHIND, &error);
    let Some(found) = pods.get_opt(pod).await.map_err(failed)? else { return Ok(()) };
    let label = found.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_MIGRATION_UID));
    if label != Some(&migration.uid) {
        return Ok(());
    }
    let metadata = json!({
        "uid": found.metadata.uid,
        "labels": {LABEL_MIGRATION_UID: null},
        "annotations": {ANNOTATION_MIGRATION_NAME: null},
    });
    match patch_metadata(pods, pod, metadata).await {
        Err(error) if is_absent(&error) => Ok(()),
        done => done.map_err(failed),
    }
}

/// Creates the shadow pod. One that is there already is left as it is: the next observation shows whose it is.
pub async fn create_shadow(pods: &Api<Pod>, shadow: &Pod) -> Result<(), EffectFailure> {
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    match pods.create(&parameters, shadow).await {
        Err(error) if is_conflict(&error) => Ok(()),
        Err(error) => Err(failure("creating the shadow pod", reason::RESTORE_FAILED, &error)),
        Ok(_) => Ok(()),
    }
}

/// Deletes the pod of that UID, and no other of that name.
pub async fn delete(pods: &Api<Pod>, pod: &str, uid: &str) -> Result<(), EffectFailure> {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), ..Default::default() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..Default::default() };
    match pods.delete(pod, &parameters).await {
        // Gone, or another pod by now: either way that one is not there.
        Err(error) if is_absent(&error) || is_conflict(&error) => Ok(()),
        Err(error) => Err(failure(&format!("deleting pod {pod}"), reason::LEFT_BEHIND, &error)),
        Ok(_) => Ok(()),
    }
}

/// Merges into the metadata of the pod whose UID `metadata` names.
pub(super) async fn patch_metadata(pods: &Api<Pod>, pod: &str, metadata: Value) -> Result<(), kube::Error> {
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    pods.patch(pod, &parameters, &Patch::Merge(json!({"metadata": metadata}))).await.map(drop)
}
