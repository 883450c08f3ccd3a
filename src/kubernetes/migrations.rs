//! What the operator writes to the `StatefulMigration` object itself.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::api::{FIELD_MANAGER, FINALIZER, StatefulMigration, StatefulMigrationStatus};

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

/// Keeps what shadows are made from, for the time when the source is gone.
pub async fn keep_shadow_template(
    migrations: &Api<StatefulMigration>,
    seen: &StatefulMigration,
    template: &Pod,
) -> Result<(), kube::Error> {
    let text = serde_json::to_string(template).map_err(kube::Error::SerdeError)?;
    let metadata = json!({"uid": seen.uid(), "annotations": {ANNOTATION_SHADOW_TEMPLATE: text}});
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    let patch = Patch::Merge(json!({"metadata": metadata}));
    migrations.patch(&seen.name_any(), &parameters, &patch).await.map(drop)
}

/// What was kept by [`keep_shadow_template`].
pub fn shadow_template(migration: &StatefulMigration) -> Option<Pod> {
    serde_json::from_str(migration.annotations().get(ANNOTATION_SHADOW_TEMPLATE)?).ok()
}
