use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;

use super::{Deps, Settings, leadership::Term, places::Places, session::Sessions};
use crate::{
    api::StatefulMigration,
    io::{Clock, Dial, Entropy},
    kubernetes::{MigrationRef, kubelet::Kubelets},
};

/// What every reconciliation shares.
pub(super) struct Context {
    pub(super) client: kube::Client,
    pub(super) kubelets: Kubelets,
    term: Term,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) settings: Settings,
    pub(super) sessions: Sessions,
    pub(super) places: Places,
    wake: UnboundedSender<ObjectRef<StatefulMigration>>,
    /// How often in a row a migration could not be reconciled, by UID.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl Context {
    /// The context, and the stream of migrations that a reply wakes.
    pub(super) fn new(
        deps: Deps,
        client: kube::Client,
        kubelets: Kubelets,
        term: Term,
    ) -> (Arc<Self>, UnboundedReceiver<ObjectRef<StatefulMigration>>) {
        let (wake, wakes) = unbounded();
        let context = Self {
            client,
            kubelets,
            term,
            dial: deps.dial,
            clock: deps.clock,
            entropy: deps.entropy,
            places: Places::new(deps.settings.concurrency),
            settings: deps.settings,
            sessions: Sessions::default(),
            wake,
            failures: Mutex::default(),
        };
        (Arc::new(context), wakes)
    }

    /// What a reply calls: has the migration reconciled.
    pub(super) fn waker(&self, migration: &MigrationRef) -> Arc<dyn Fn() + Send + Sync> {
        let wake = self.wake.clone();
        let object = ObjectRef::new(&migration.name).within(&migration.namespace);
        // Nobody listens any more while the operator shuts down; the reply waits for the next one.
        Arc::new(move || drop(wake.unbounded_send(object.clone())))
    }

    /// Whether what is decided may be written, and done.
    pub(super) fn may_act(&self) -> bool {
        self.term.holds()
    }

    /// Counts a failure; says which in a row it is.
    pub(super) fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures();
        let count = failures.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets earlier failures.
    pub(super) fn succeeded(&self, uid: &str) {
        self.failures().remove(uid);
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
