use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    MANAGER,
    owner_references::{Owner, blocks, owners_of, set_references, waits_for_dependents},
    pods::{delete, delete_with},
};
use crate::apiserver::{
    delete::{DeleteOptions, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation, is_owned_by},
    object::{finalizers, is_terminating, items, meta},
    store::{Key, Store},
};

/// Deletes what has lost its owners, lets owners go whose dependents are gone, and empties dying namespaces.
///
/// See `attemptToDeleteItem` of the controller manager's garbage collector.
pub(super) fn collect(store: &mut Store) {
    for (key, object) in owned(store) {
        see_to_dependent(store, &key, &object);
    }
    finish_orphaning(store);
    finish_foreground_deletions(store);
    empty_terminating_namespaces(store);
}

/// Everything that names an owner and is not going already.
fn owned(store: &Store) -> Vec<(Key, Arc<Value>)> {
    store
        .all()
        .filter(|(_, object)| {
            !items(&object["metadata"]["ownerReferences"]).is_empty() && !is_terminating(object)
        })
        .map(|(key, object)| (key.clone(), object.clone()))
        .collect()
}

/// An object with an owner that stays keeps living, and forgets the others. One without goes.
fn see_to_dependent(store: &mut Store, key: &Key, object: &Value) {
    let Some(owners) = owners_of(store, key, object) else { return };
    if owners.contains(&Owner::Solid) {
        if owners.iter().any(|owner| *owner != Owner::Solid) {
            store.rewrite(key, MANAGER, "", |object| {
                let references = items(&object["metadata"]["ownerReferences"]).iter().zip(&owners);
                let kept = references.filter(|(_, owner)| **owner == Owner::Solid);
                let kept: Vec<Value> = kept.map(|(reference, _)| reference.clone()).collect();
                set_references(object, &kept);
            });
        }
        return;
    }
    let uid = meta(object, "uid");
    let is_waited_for = owners.contains(&Owner::WaitsForDependents);
    let own: Vec<&Arc<Value>> =
        if is_waited_for { dependents(store, uid).map(|(_, one)| one).collect() } else { Vec::new() };
    let propagation = if own.is_empty() {
        present_propagation(object)
    } else {
        // Two that wait for each other would wait for ever.
        if own.iter().any(|dependent| waits_for_dependents(dependent)) {
            stop_blocking(store, key);
        }
        Propagation::Foreground
    };
    delete_with(store, key, &DeleteOptions::propagating(propagation));
}

/// The policy that somebody has put on the object itself.
fn present_propagation(object: &Value) -> Propagation {
    let held = finalizers(object);
    if held.iter().any(|one| one == ORPHAN_FINALIZER) {
        Propagation::Orphan
    } else if held.iter().any(|one| one == FOREGROUND_FINALIZER) {
        Propagation::Foreground
    } else {
        Propagation::Background
    }
}

fn stop_blocking(store: &mut Store, key: &Key) {
    store.rewrite(key, MANAGER, "", |object| {
        let mut references = items(&object["metadata"]["ownerReferences"]).to_vec();
        for reference in references.iter_mut().filter(|one| one["blockOwnerDeletion"] == true) {
            reference["blockOwnerDeletion"] = json!(false);
        }
        set_references(object, &references);
    });
}

fn dependents<'a>(store: &'a Store, uid: &str) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
    store.all().filter(move |(_, object)| is_owned_by(object, uid))
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
        let orphans: Vec<Key> = dependents(store, &uid).map(|(key, _)| key.clone()).collect();
        for orphan in orphans {
            store.rewrite(&orphan, MANAGER, "", |object| {
                let mut left = items(&object["metadata"]["ownerReferences"]).to_vec();
                left.retain(|reference| reference["uid"] != uid);
                set_references(object, &left);
            });
        }
        store.take_finalizer(&key, MANAGER, ORPHAN_FINALIZER);
    }
}

/// An owner waits for the dependents that say that they block it, and for no others.
fn finish_foreground_deletions(store: &mut Store) {
    for (key, uid) in held_by(store, FOREGROUND_FINALIZER) {
        let is_blocked = store.all().any(|(_, object)| blocks(object, &uid));
        if !is_blocked {
            store.take_finalizer(&key, MANAGER, FOREGROUND_FINALIZER);
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
