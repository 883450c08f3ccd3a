use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ms2m_app::io::{Clock, Dial};
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    access::Denied,
    controllers,
    delete::DeleteOptions,
    encounters::Encounters,
    error::ApiError,
    faults::{Fault, Faults, RequestMatch},
    journal::{Journal, RequestRecord},
    ownership::{Operation, Writer},
    replica::Replica,
    request::Verb,
    store::{Key, Store},
    write::Write,
};

/// A simulated Kubernetes API server with the controllers that a migration needs.
///
/// Clones share one state, which outlives connections: a host that is restarted goes on with the same server value,
/// as a real one goes on with its etcd.
#[derive(Clone)]
pub struct ApiServer {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) settings: Settings,
    /// Wakes the watches.
    pub(super) changed: Notify,
    /// Wakes the controllers.
    pub(super) work: Notify,
}

/// What can be set about a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What uids and generated names are drawn from.
    pub seed: u64,
    /// How long a watch is silent before it gets a bookmark.
    pub bookmark_interval: Duration,
    /// How long the controllers take to notice a change.
    pub controller_delay: Duration,
    /// Whether CEL rules are evaluated, as from Kubernetes 1.25 on.
    pub evaluates_rules: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            bookmark_interval: Duration::from_mins(1),
            controller_delay: Duration::from_millis(10),
            evaluates_rules: true,
        }
    }
}

pub(super) struct State {
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) faults: Faults,
    pub(super) denied: Vec<Denied>,
    pub(super) watches: BTreeMap<u64, OpenWatch>,
    pub(super) watches_opened: u64,
    pub(super) stalled: Vec<RequestMatch>,
    /// How many watches of each client were told 410 Gone.
    pub(super) expired: BTreeMap<String, u64>,
    pub(super) replica: Replica,
    /// How many watches of each client were resumed at a server that was behind them.
    pub(super) blind: BTreeMap<String, u64>,
    pub(super) encounters: Encounters,
}

/// A watch that some client has open.
pub(super) struct OpenWatch {
    pub(super) request: RequestRecord,
    pub(super) is_closed: bool,
    /// Served by the second server, and told what that one knows.
    pub(super) is_at_replica: bool,
    /// How many of the last changes it is to tell once more.
    pub(super) rewinds: u64,
}

impl ApiServer {
    /// A server over an empty cluster. `dial` reaches the kubelets, for the node proxy.
    pub fn new(clock: Arc<dyn Clock>, dial: Arc<dyn Dial>, settings: Settings) -> Self {
        let state = State {
            store: Store::new(clock, &settings),
            journal: Journal::default(),
            faults: Faults::default(),
            denied: Vec::new(),
            watches: BTreeMap::new(),
            watches_opened: 0,
            stalled: Vec::new(),
            expired: BTreeMap::new(),
            replica: Replica::default(),
            blind: BTreeMap::new(),
            encounters: Encounters::default(),
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                dial,
                settings,
                changed: Notify::new(),
                work: Notify::new(),
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `act` on the state, and wakes watches and controllers when it wrote something.
    pub(super) fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let before = state.store.version();
        let result = act(&mut state);
        let changed = state.store.version() != before;
        drop(state);
        if changed {
            self.wake();
        }
        result
    }

    fn wake(&self) {
        self.shared.changed.notify_waiters();
        self.shared.work.notify_one();
    }

    /// Runs the scheduler, the Job and node controllers and the garbage collector for as long as it is polled: beside the
    /// connections, on the same host.
    pub async fn run_controllers(self) {
        let since = self.lock().store.now();
        loop {
            let wait = self.with_state(|state| controllers::settle(&mut state.store, since));
            tokio::select! {
                biased;
                () = self.shared.work.notified() => {}
                () = tokio::time::sleep(wait) => continue,
            }
            tokio::time::sleep(self.shared.settings.controller_delay).await;
        }
    }

    /// Puts an object there as `fixture`, past the network: for the set-up of a scenario. The object says its
    /// `apiVersion`, `kind`, namespace and name; a `status` in it is stored too.
    pub fn create(&self, object: Value) -> Result<Value, Refused> {
        self.with_state(|state| {
            let status = object.get("status").cloned();
            let write = fixture_write(&state.store, &object)?;
            let created = state.store.create(&write, object)?;
            let Some(status) = status else { return Ok(Value::clone(&created)) };
            let mut with_status = Value::clone(&created);
            with_status["status"] = status;
            let name = super::object::meta(&created, "name").to_owned();
            let key = Key { name, ..write.key };
            let write = Write { key, subresource: "status".to_owned(), ..write };
            Ok(Value::clone(&*state.store.update(&write, with_status)?))
        })
    }

    /// Deletes an object as a user does, past the network; false when there is none.
    pub fn delete(&self, group: &str, plural: &str, namespace: &str, name: &str) -> bool {
        self.delete_with(&DeleteOptions::background(), group, plural, namespace, name)
    }

    /// The same without a grace period, as `kubectl delete --force` does: a pod is gone at once, whatever its processes do.
    pub fn force_delete(&self, group: &str, plural: &str, namespace: &str, name: &str) -> bool {
        self.delete_with(&DeleteOptions::forced(), group, plural, namespace, name)
    }

    fn delete_with(
        &self,
        options: &DeleteOptions,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        self.with_state(|state| {
            let resource = state.store.catalogue.get(group, plural).cloned();
            resource.is_some_and(|resource| {
                let key = Key::new(&resource, namespace, name);
                state.store.delete(&resource, &key, options).is_ok()
            })
        })
    }

    /// An object, past the network.
    pub fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = Key {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.lock().store.get(&key).cloned()
    }

    /// Objects by namespace and name, past the network; all namespaces when `namespace` is empty.
    pub fn list(&self, group: &str, plural: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.lock().store.list(group, plural, namespace)
    }

    /// The version of the last write.
    pub fn resource_version(&self) -> u64 {
        self.lock().store.version()
    }

    /// Takes a fault into force; returns what [`Self::withdraw`] knows it by.
    pub fn inject(&self, fault: Fault) -> u64 {
        self.lock().faults.add(fault)
    }

    /// Ends a fault, if it has not used itself up.
    pub fn withdraw(&self, fault: u64) {
        self.lock().faults.remove(fault);
    }

    /// Whether a fault has hit any request so far.
    pub fn has_hit(&self, fault: u64) -> bool {
        self.lock().faults.has_hit(fault)
    }

    /// Ends all faults, stalled watches and a server that is behind included.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.stalled.clear();
        state.replica = Replica::default();
        drop(state);
        self.wake();
    }

    /// Takes rights away from clients, or has a policy forbid something; replaces what was denied before.
    pub fn deny(&self, denied: Vec<Denied>) {
        self.lock().denied = denied;
    }

    /// Forgets the watch history: every watch gets 410 Gone, and has to list again.
    pub fn compact_history(&self) {
        self.with_state(|state| state.store.compact());
    }

    /// Ends the watches that were opened by matching requests, as a server that restarts does; returns how many there were.
    pub fn close_watches(&self, of: &RequestMatch) -> usize {
        self.with_watches(of, |watch| watch.is_closed = true)
    }

    /// Lets the watches that were opened by matching requests tell up to so many of the last changes once more; returns how many
    /// there were.
    pub fn rewind_watches(&self, of: &RequestMatch, changes: u64) -> usize {
        self.with_watches(of, |watch| watch.rewinds = changes)
    }

    fn with_watches(&self, of: &RequestMatch, act: impl FnMut(&mut OpenWatch)) -> usize {
        let mut state = self.lock();
        let open = state.watches.values_mut().filter(|watch| !watch.is_closed && of.matches(&watch.request));
        let count = open.map(act).count();
        drop(state);
        self.shared.changed.notify_waiters();
        count
    }

    /// Holds events back from matching watches, present and future, until [`Self::release_watches`].
    pub fn stall_watches(&self, of: RequestMatch) {
        self.lock().stalled.push(of);
    }

    /// Lets stalled watches catch up.
    pub fn release_watches(&self) {
        self.lock().stalled.clear();
        self.shared.changed.notify_waiters();
    }

    /// How often clients have met what was wrong with watches and caches so far.
    pub fn encounters(&self) -> Encounters {
        self.lock().encounters
    }

    /// How many watches of a client were told 410 Gone so far.
    pub fn expired_watches(&self, user_agent: &str) -> u64 {
        self.lock().expired.get(user_agent).copied().unwrap_or_default()
    }

    /// Every request so far, reads included, in the order of their answers.
    pub fn log_of_requests(&self) -> Vec<RequestRecord> {
        self.lock().journal.iter().cloned().collect()
    }

    /// How often objects of a kind were read so far, alone or in a list; watches are not counted.
    pub fn looks_at(&self, plural: &str) -> usize {
        let is_look = |record: &&RequestRecord| {
            record.plural == plural && matches!(record.verb, Verb::Get | Verb::List)
        };
        self.lock().journal.iter().filter(is_look).count()
    }

    /// How many writes a field manager has asked for so far, refused and idle ones included.
    pub fn writes_of(&self, manager: &str) -> u32 {
        self.lock().journal.writes_of(manager)
    }

    /// How often a client asked for anything so far, refused requests included; watches are not counted.
    pub fn requests_of(&self, user_agent: &str) -> u64 {
        self.lock().journal.requests_of(user_agent)
    }

    /// The requests after the first so many, in the order of their answers.
    pub fn requests_since(&self, count: usize) -> Vec<RequestRecord> {
        self.lock().journal.since(count).cloned().collect()
    }

    /// Every write so far, refused and idle ones included.
    pub fn log_of_writes(&self) -> Vec<RequestRecord> {
        self.lock().journal.iter().filter(|record| record.verb.is_write()).cloned().collect()
    }
}

/// Why a fixture could not be put there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the API server refused the object ({code} {reason}): {message}")]
pub struct Refused {
    /// HTTP status that a client would have got.
    pub code: u16,
    /// Machine-readable reason.
    pub reason: String,
    /// What a person reads.
    pub message: String,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { code: error.code, reason: error.reason, message: error.message }
    }
}

fn fixture_write(store: &Store, object: &Value) -> Result<Write, ApiError> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let resource = store
        .catalogue
        .by_kind(api_version, kind)
        .cloned()
        .ok_or_else(|| ApiError::bad_request(format!("no resource is known as {api_version} {kind}")))?;
    let namespace = match super::object::meta(object, "namespace") {
        "" if resource.namespaced => "default",
        namespace => namespace,
    };
    Ok(Write {
        key: Key::new(&resource, namespace, ""),
        subresource: String::new(),
        writer: Writer {
            manager: "fixture".to_owned(),
            operation: Operation::Update,
            subresource: String::new(),
            time: store.stamp(),
        },
        dry_run: false,
        resource,
    })
}
