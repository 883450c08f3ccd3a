use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{MANAGER, pods::delete};
use crate::apiserver::{
    delete::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, is_owned_by},
    object::{finalizers, is_terminating, items, meta, set_meta},
    store::{Key, Store},
};

/// Deletes what has lost its owners, lets owners go whose dependents are gone, and empties dying namespaces.
pub(super) fn collect(store: &mut Store) {
    delete_ownerless(store);
    finish_orphaning(store);
    finish_foreground_deletions(store);
    empty_terminating_namespaces(store);
}

fn delete_ownerless(store: &mut Store) {
    let uids: BTreeSet<&str> = store.all().map(|(_, object)| meta(object, "uid")).collect();
    let ownerless: Vec<Key> = store
        .all()
        .filter(|(_, object)| {
            let owners = items(&object["metadata"]["ownerReferences"]);
            let is_alive = |owner: &Value| owner["uid"].as_str().is_some_and(|uid| uids.contains(uid));
            !is_terminating(object) && !owners.is_empty() && !owners.iter().any(is_alive)
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in ownerless {
        delete(store, &key);
    }
}

/// Terminating objects that a finalizer holds; their uids.
fn held_by(store: &Store, finalizer: &str) -> Vec<(Key, String)> {
    store
        .all()
        .filter(|(_, object)| is_terminating(object) && finalizers(object).iter().any(|one| one == finalizer))
        .map(|(key, object)| (key.clone(), meta(object, "uid").to_owned()))
        .collect()
}

/// Dependents of an owner that was deleted with the policy `Orphan` forget it; then it goes.
fn finish_orphaning(store: &mut Store) {
    for (key, uid) in held_by(store, ORPHAN_FINALIZER) {
        let dependents: Vec<Key> =
            store.all().filter(|(_, object)| is_owned_by(object, &uid)).map(|(key, _)| key.clone()).collect();
        for dependent in dependents {
            store.rewrite(&dependent, MANAGER, "", |object| {
                let left: Vec<Value> = items(&object["metadata"]["ownerReferences"])
                    .iter()
                    .filter(|reference| reference["uid"] != uid)
                    .cloned()
                    .collect();
                set_meta(object, "ownerReferences", if left.is_empty() { Value::Null } else { json!(left) });
            });
        }
        store.take_finalizer(&key, MANAGER, ORPHAN_FINALIZER);
    }
}

fn finish_foreground_deletions(store: &mut Store) {
    for (key, uid) in held_by(store, FOREGROUND_FINALIZER) {
        let dependents: Vec<(Key, bool)> = store
            .all()
            .filter(|(_, object)| is_owned_by(object, &uid))
            .map(|(key, object)| (key.clone(), is_terminating(object)))
            .collect();
        if dependents.is_empty() {
            store.take_finalizer(&key, MANAGER, FOREGROUND_FINALIZER);
        }
        for (dependent, _) in dependents.into_iter().filter(|(_, is_going)| !is_going) {
            delete(store, &dependent);
        }
    }
}

fn empty_terminating_namespaces(store: &mut Store) {
    let dying: Vec<(Key, Value)> = store
        .entries("", "namespaces", "")
        .filter(|(_, namespace)| is_terminating(namespace))
        .map(|(key, namespace)| (key.clone(), Value::clone(namespace)))
        .collect();
    for (key, namespace) in dying {
        let content: Vec<(Key, bool)> = store
            .all()
            .filter(|(inside, _)| inside.namespace == key.name)
            .map(|(inside, object)| (inside.clone(), is_terminating(object)))
            .collect();
        if content.is_empty() && finalizers(&namespace).is_empty() {
            store.remove(&key, namespace);
        }
        for (inside, _) in content.into_iter().filter(|(_, is_going)| !is_going) {
            delete(store, &inside);
        }
    }
}
