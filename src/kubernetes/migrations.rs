//! What the operator writes to the `StatefulMigration` object itself.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{FIELD_MANAGER, FINALIZER, StatefulMigration, StatefulMigrationStatus},
    registry::image::digest_of,
};

/// Annotation of a migration: the source pod as a shadow is made from it, as JSON.
pub const ANNOTATION_SHADOW_TEMPLATE: &str = "migration.ms2m.io/shadow-template";

/// The migrations of a namespace.
pub fn api(client: &kube::Client, namespace: &str) -> Api<StatefulMigration> {
    Api::namespaced(client.clone(), namespace)
}

/// Writes the status, if the object is still the one that was looked at: a compare-and-swap on its resource version.
///
/// # Errors
/// A conflict when somebody wrote meanwhile; then nothing is written.
pub async fn write_status(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
    status: &StatefulMigrationStatus,
) -> Result<StatefulMigration, kube::Error> {
    let configuration = json!({
        "apiVersion": StatefulMigration::api_version(&()),
        "kind": StatefulMigration::kind(&()),
        "metadata": {"name": seen.name_any(), "resourceVersion": seen.resource_version()},
        "status": status,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    migrations.patch_status(&seen.name_any(), &parameters, &Patch::Apply(&configuration)).await
}

/// Adds the finalizer, if the object is still the one that was looked at.
pub async fn add_finalizer(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
) -> Result<StatefulMigration, kube::Error> {
    let mut finalizers = seen.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    write_finalizers(migrations, seen, &finalizers).await
}

/// Removes the finalizer; an object that waited for it only is gone after that.
pub async fn remove_finalizer(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
) -> Result<(), kube::Error> {
    let others: Vec<String> = seen.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
    if others.len() == seen.finalizers().len() {
        return Ok(());
    }
    write_finalizers(migrations, seen, &others).await.map(drop)
}

async fn write_finalizers(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
    finalizers: &[String],
) -> Result<StatefulMigration, kube::Error> {
    // A merge patch replaces the whole list, so it must not be a stale one.
    let metadata = json!({"resourceVersion": seen.resource_version(), "finalizers": finalizers});
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    migrations.patch(&seen.name_any(), &parameters, &Patch::Merge(json!({"metadata": metadata}))).await
}

/// Keeps what shadows are made from, for the time when the source is gone, in an annotation; its digest, for the status, where only
/// the operator writes.
pub async fn keep_shadow_template(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
    template: &Pod,
) -> Result<String, kube::Error> {
    let text = serde_json::to_string(template).map_err(kube::Error::SerdeError)?;
    let metadata = json!({"uid": seen.uid(), "annotations": {ANNOTATION_SHADOW_TEMPLATE: text}});
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    let patch = Patch::Merge(json!({"metadata": metadata}));
    migrations.patch(&seen.name_any(), &parameters, &patch).await?;
    Ok(digest_of(text.as_bytes()))
}

/// Why a shadow cannot be made from what the annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateLost {
    /// It is not there.
    #[error(
        "annotation {ANNOTATION_SHADOW_TEMPLATE} of the migration was removed, and the shadow cannot be made without it: put it back"
    )]
    Removed,
    /// It is not what the operator wrote.
    #[error(
        "annotation {ANNOTATION_SHADOW_TEMPLATE} of the migration is not what was kept of the source, and no shadow is made from it: put that back"
    )]
    Changed,
}

/// What was kept by [`keep_shadow_template`], and its digest, which has to be the one that was recorded then: whoever may create
/// migrations may write annotations, and is not to have any pod made by the operator.
///
/// # Errors
/// The annotation is not there, or not what was kept.
pub fn shadow_template(
    migration: &StatefulMigration,
    recorded: Option<&str>,
) -> Result<(Pod, String), TemplateLost> {
    let text = migration.annotations().get(ANNOTATION_SHADOW_TEMPLATE).ok_or(TemplateLost::Removed)?;
    let digest = digest_of(text.as_bytes());
    if recorded != Some(&digest) {
        return Err(TemplateLost::Changed);
    }
    let template = serde_json::from_str(text).map_err(|_| TemplateLost::Changed)?;
    Ok((template, digest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(annotations: &serde_json::Value) -> StatefulMigration {
        let secret = json!({"name": "broker", "key": "url"});
        serde_json::from_value(json!({
            "apiVersion": "migration.ms2m.io/v1alpha1",
            "kind": "StatefulMigration",
            "metadata": {"name": "move", "annotations": annotations},
            "spec": {
                "sourcePod": "counter",
                "target": {"nodeName": "n2"},
                "broker": {"kind": "RabbitMQ", "urlSecret": secret, "queue": "orders"},
                "transfer": {"repository": "registry.example.com/checkpoints"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_shadow_is_made_from_what_the_operator_kept_and_from_nothing_else() {
        let kept = r#"{"metadata":{"labels":{"app":"counter"}}}"#;
        let recorded = digest_of(kept.as_bytes());
        let ours = with(&json!({ANNOTATION_SHADOW_TEMPLATE: kept}));
        let (template, again) = shadow_template(&ours, Some(&recorded)).unwrap();
        assert_eq!((template.metadata.labels.unwrap()["app"].as_str(), &again), ("counter", &recorded));
        // Whoever asks for a migration may have written one before the operator did.
        assert_eq!(shadow_template(&ours, None), Err(TemplateLost::Changed));
        let theirs =
            with(&json!({ANNOTATION_SHADOW_TEMPLATE: r#"{"spec":{"hostNetwork":true,"containers":[]}}"#}));
        assert_eq!(shadow_template(&theirs, Some(&recorded)), Err(TemplateLost::Changed));
        assert_eq!(shadow_template(&with(&json!({})), Some(&recorded)), Err(TemplateLost::Removed));
    }
}
