use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use ms2m_app::io::Clock;
use serde_json::{Value, json};

use super::{
    error::ApiError,
    identity::IdentitySource,
    object::{meta, seconds, set_meta},
    resource::{Catalogue, Resource},
    selector::Selector,
    server::Settings,
};

/// How many changes a watch can look back before it is told that its version is gone.
const HISTORY_LENGTH_MAX: usize = 10_000;

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// One step of the world, as the watches replay it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    /// The object before, none when it was created.
    pub(super) before: Option<Arc<Value>>,
    /// The object after; for a deletion its last state.
    pub(super) object: Arc<Value>,
    pub(super) deleted: bool,
}

/// All objects and their recent history: what etcd and the watch cache are to the real server.
pub(super) struct Store {
    pub(super) catalogue: Catalogue,
    pub(super) identities: IdentitySource,
    clock: Arc<dyn Clock>,
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    compacted: u64,
    history: VecDeque<Change>,
}

impl Store {
    /// An empty cluster with the namespaces that every cluster has.
    pub(super) fn new(clock: Arc<dyn Clock>, settings: &Settings) -> Self {
        let mut store = Self {
            catalogue: Catalogue::new(settings.evaluates_rules),
            identities: IdentitySource::new(settings.seed),
            clock,
            objects: BTreeMap::new(),
            version: 1,
            compacted: 0,
            history: VecDeque::new(),
        };
        for name in ["default", "kube-node-lease", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "uid": store.identities.uid(),
                    "creationTimestamp": store.stamp(),
                    "labels": { "kubernetes.io/metadata.name": name },
                },
                "spec": { "finalizers": ["kubernetes"] },
                "status": { "phase": "Active" },
            });
            let key = Key {
                group: String::new(),
                plural: "namespaces".to_owned(),
                namespace: String::new(),
                name: name.to_owned(),
            };
            store.commit(key, namespace);
        }
        store
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present moment as `metav1.Time`.
    pub(super) fn stamp(&self) -> String {
        seconds(self.now())
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The oldest version from which a watch can still start, minus one.
    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Forgets the history: every watch that is behind gets 410 Gone.
    pub(super) fn compact(&mut self) {
        // An idle watch that has seen everything must notice it too, as after a long partition it would.
        self.version += 1;
        self.compacted = self.version;
        self.history.clear();
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// An object as it was at a version that is remembered.
    pub(super) fn get_at(&self, key: &Key, version: u64) -> Result<Arc<Value>, ApiError> {
        let first_after = self.changes_after(version).find(|change| change.key == *key);
        let then = first_after.map_or_else(|| self.get(key), |change| change.before.as_ref());
        then.cloned().ok_or_else(|| ApiError::not_found(&key.group, &key.plural, &key.name))
    }

    pub(super) fn get_existing(&self, key: &Key) -> Result<Arc<Value>, ApiError> {
        self.get(key).cloned().ok_or_else(|| ApiError::not_found(&key.group, &key.plural, &key.name))
    }

    /// Objects of one kind by namespace and name; all namespaces when `namespace` is empty.
    pub(super) fn list(&self, group: &str, plural: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.entries(group, plural, namespace).map(|(_, object)| object.clone()).collect()
    }

    /// The same, with the keys.
    pub(super) fn entries(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let start = Key {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let one_namespace = !namespace.is_empty();
        self.objects.range(start.clone()..).take_while(move |(key, _)| {
            key.group == start.group
                && key.plural == start.plural
                && (!one_namespace || key.namespace == start.namespace)
        })
    }

    /// Objects of one kind as they were at a version that is remembered.
    pub(super) fn entries_at(
        &self,
        resource: &Resource,
        namespace: &str,
        version: u64,
    ) -> BTreeMap<Key, Arc<Value>> {
        let now = self.entries(&resource.group, &resource.plural, namespace);
        let mut then: BTreeMap<Key, Arc<Value>> =
            now.map(|(key, object)| (key.clone(), object.clone())).collect();
        let is_here = |key: &Key| {
            key.group == resource.group
                && key.plural == resource.plural
                && (namespace.is_empty() || key.namespace == namespace)
        };
        let start = self.history.partition_point(|change| change.version <= version);
        for change in self.history.range(start..).rev().filter(|change| is_here(&change.key)) {
            match &change.before {
                Some(before) => drop(then.insert(change.key.clone(), before.clone())),
                None => drop(then.remove(&change.key)),
            }
        }
        then
    }

    /// Everything there is.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Writes an object at a new version.
    pub(super) fn commit(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        set_meta(&mut object, "resourceVersion", json!(self.version.to_string()));
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.remember(Change { version: self.version, key, before, object: object.clone(), deleted: false });
        object
    }

    /// Removes an object; `last` is what watches see of it.
    pub(super) fn remove(&mut self, key: &Key, mut last: Value) -> Arc<Value> {
        self.version += 1;
        set_meta(&mut last, "resourceVersion", json!(self.version.to_string()));
        let object = Arc::new(last);
        let before = self.objects.remove(key);
        if key.plural == "customresourcedefinitions" {
            self.catalogue.undefine(&object);
        }
        let change =
            Change { version: self.version, key: key.clone(), before, object: object.clone(), deleted: true };
        self.remember(change);
        object
    }

    fn remember(&mut self, change: Change) {
        tracing::trace!(
            target: "apiserver",
            version = change.version,
            plural = change.key.plural,
            namespace = change.key.namespace,
            name = change.key.name,
            deleted = change.deleted,
            "changed"
        );
        self.history.push_back(change);
        if self.history.len() > HISTORY_LENGTH_MAX
            && let Some(oldest) = self.history.pop_front()
        {
            self.compacted = oldest.version;
        }
    }

    /// What happened after `version`, oldest first.
    pub(super) fn changes_after(&self, version: u64) -> impl Iterator<Item = &Change> {
        let start = self.history.partition_point(|change| change.version <= version);
        self.history.range(start..)
    }
}

impl Change {
    /// The watch event that a client with this selector sees, if any: an object that stops matching is deleted to it.
    pub(super) fn event(&self, selector: &Selector) -> Option<(&'static str, Arc<Value>)> {
        let was_seen = self.before.as_ref().is_some_and(|before| selector.matches(before));
        let is_seen = !self.deleted && selector.matches(&self.object);
        match (was_seen, is_seen) {
            (false, true) => Some(("ADDED", self.object.clone())),
            (true, true) => Some(("MODIFIED", self.object.clone())),
            (true, false) => Some(("DELETED", self.last_seen())),
            (false, false) => None,
        }
    }

    /// Content as the client knows it, version of the change, so that it can go on from there.
    fn last_seen(&self) -> Arc<Value> {
        let Some(before) = self.before.as_ref().filter(|_| !self.deleted) else { return self.object.clone() };
        let mut last = Value::clone(before);
        set_meta(&mut last, "resourceVersion", json!(meta(&self.object, "resourceVersion")));
        Arc::new(last)
    }
}
