//! What wakes a migration.

use std::{
    fmt::Debug,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt as _, future};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Resource, ResourceExt as _,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::Action,
        reflector::{self, ObjectRef},
        watcher,
    },
};
use serde::de::DeserializeOwned;

use super::{
    backoff::{self, Patience},
    context::Context,
    health::Health,
    reconcile::{ReconcileError, reconcile},
};
use crate::{
    api::{ANNOTATION_MIGRATION_NAME, LABEL_MIGRATION_UID, StatefulMigration},
    kubernetes::client::WATCH_SECS,
};

/// Reconciles until `shutdown` resolves, and then ends what is under way.
pub(super) async fn run(
    context: Arc<Context>,
    wakes: impl Stream<Item = ObjectRef<StatefulMigration>> + Send + 'static,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, writer) = reflector::store();
    let migrations = watcher(scoped(&context), watcher::Config::default().timeout(WATCH_SECS))
        .backoff(Patience::default())
        .reflect(writer)
        .applied_objects()
        .predicate_filter(asked, Default::default());
    let listed = store.clone();
    let ready = async move {
        if listed.wait_until_ready().await.is_ok() {
            health.set_ready();
            tracing::info!("the migrations are listed");
        }
        future::pending::<()>().await;
    };
    let closing = context.clone();
    let shutdown = shutdown.map(move |()| closing.places.close());
    let work = Controller::for_stream(logged(migrations), store)
        .watches_stream(logged(marked(scoped::<Pod>(&context))), migration_of)
        .watches_stream(logged(marked(scoped::<Job>(&context))), migration_of)
        .reconcile_on(wakes)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, again_later, context)
        .for_each(|_| future::ready(()));
    tokio::select! {
        () = work => {}
        () = ready => {}
    }
}

fn scoped<K>(context: &Context) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match &context.settings.namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    }
}

/// What a user asks for. Our own writes of the status are no news.
#[allow(clippy::unnecessary_wraps, reason = "the signature is kube's")]
fn asked(migration: &StatefulMigration) -> Option<u64> {
    let metadata = &migration.metadata;
    let mut hasher = DefaultHasher::new();
    (metadata.generation, metadata.deletion_timestamp.is_some(), &metadata.finalizers).hash(&mut hasher);
    Some(hasher.finish())
}

/// Changes of the objects that belong to migrations.
fn marked<K>(api: Api<K>) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().labels(LABEL_MIGRATION_UID).timeout(WATCH_SECS);
    watcher(api, config).backoff(Patience::default()).touched_objects()
}

/// Keeps errors out of the controller, which would let one broken watch hold back every other trigger.
fn logged<K: Send + 'static>(
    watch: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static {
    watch.filter(|event| {
        if let Err(error) = event {
            tracing::warn!(%error, "a watch broke; it is opened again");
        }
        future::ready(event.is_ok())
    })
}

/// The migration that an object belongs to.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn migration_of<K: Resource>(object: K) -> Option<ObjectRef<StatefulMigration>> {
    let name = object.annotations().get(ANNOTATION_MIGRATION_NAME)?;
    Some(ObjectRef::new(name).within(object.namespace().as_deref()?))
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn again_later(migration: Arc<StatefulMigration>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let wait: Duration = backoff::after(context.failed(&migration.uid().unwrap_or_default()));
    tracing::warn!(
        migration = %ObjectRef::from_obj(&*migration),
        %error,
        again_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "a migration could not be reconciled"
    );
    Action::requeue(wait)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn migration(generation: i64, status: &serde_json::Value, deleted: bool) -> StatefulMigration {
        let mut migration: StatefulMigration = serde_json::from_value(json!({
            "apiVersion": "migration.ms2m.io/v1alpha1",
            "kind": "StatefulMigration",
            "metadata": {"name": "m", "namespace": "shop", "generation": generation},
            "spec": {
                "sourcePod": "counter",
                "target": {"nodeName": "node-b"},
                "broker": {"kind": "RabbitMQ", "urlSecret": {"name": "s", "key": "k"}, "queue": "orders"},
                "transfer": {"repository": "registry.example.com/checkpoints"},
            },
            "status": status,
        }))
        .unwrap();
        if deleted {
            migration.metadata.deletion_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        }
        migration
    }

    #[test]
    fn a_written_status_is_no_news_and_a_deletion_is() {
        let seen = asked(&migration(1, &json!({}), false));
        assert_eq!(seen, asked(&migration(1, &json!({"phase": "Mirroring"}), false)));
        assert_ne!(seen, asked(&migration(2, &json!({}), false)));
        assert_ne!(seen, asked(&migration(1, &json!({}), true)));
    }

    #[test]
    fn a_pod_leads_to_its_migration_by_its_annotation() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {
            "name": "p", "namespace": "shop", "annotations": {ANNOTATION_MIGRATION_NAME: "move"},
        }}))
        .unwrap();
        assert_eq!(migration_of(pod), Some(ObjectRef::new("move").within("shop")));
        assert_eq!(migration_of(Pod::default()), None);
    }
}
