//! Looks at the other migrations of a namespace.

use kube::{ResourceExt as _, api::ListParams};

use super::context::Context;
use crate::{
    api::StatefulMigration,
    kubernetes::{MigrationRef, migrations},
    protocol::{Contender, Rivalry, Stage},
};

/// What they mean for this one; from the store, not from a cache.
pub(super) async fn of(
    context: &Context,
    object: &StatefulMigration,
    migration: &MigrationRef,
) -> Result<Rivalry, kube::Error> {
    let all = migrations::api(&context.client, &migration.namespace).list(&ListParams::default()).await?;
    let all: Vec<Contender> = all.items.iter().map(contender).collect();
    Ok(Rivalry::of(&contender(object), &all))
}

/// The same, or nothing where it cannot be looked at.
pub(super) async fn look(
    context: &Context,
    object: &StatefulMigration,
    migration: &MigrationRef,
) -> Option<Rivalry> {
    let found = of(context, object, migration).await;
    found.map_err(|error| tracing::warn!(%error, "other migrations cannot be looked at")).ok()
}

fn contender(migration: &StatefulMigration) -> Contender {
    Contender {
        name: migration.name_any(),
        uid: migration.uid().unwrap_or_default(),
        created: migration.creation_timestamp().map(|time| time.0),
        source_pod: migration.spec.source_pod.clone(),
        stage: Stage::of(migration.status.as_ref()),
    }
}
