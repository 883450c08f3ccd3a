//! What an object's references to its owners are worth.

use serde_json::{Value, json};

use crate::apiserver::{
    delete::FOREGROUND_FINALIZER,
    object::{finalizers, is_terminating, items, meta, set_meta},
    store::{Key, Store},
};

/// What there is to a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The owner is there, and stays or has other reasons to wait.
    Solid,
    /// There is no such owner.
    Absent,
    /// The owner is being deleted, and waits for its dependents to be gone before it.
    WaitsForDependents,
}

/// The owners of an object, one per reference. None when it cannot be told of all: then nothing is done about any.
///
/// An owner is looked for where a reference can point: in the dependent's own namespace, or outside of all. One that has
/// the right uid, but is somewhere else, is no owner.
pub(super) fn owners_of(store: &Store, key: &Key, object: &Value) -> Option<Vec<Owner>> {
    let references = items(&object["metadata"]["ownerReferences"]);
    references.iter().map(|reference| owner_at(store, key, reference)).collect()
}

fn owner_at(store: &Store, dependent: &Key, reference: &Value) -> Option<Owner> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    // A kind that is not known may become known yet.
    let resource = store.catalogue.by_kind(text("apiVersion"), text("kind"))?;
    if resource.namespaced && dependent.namespace.is_empty() {
        return None;
    }
    let namespace = if resource.namespaced { dependent.namespace.as_str() } else { "" };
    let found = store.get(&Key::new(resource, namespace, text("name")));
    Some(match found.filter(|owner| meta(owner, "uid") == text("uid")) {
        None => Owner::Absent,
        Some(owner) if waits_for_dependents(owner) => Owner::WaitsForDependents,
        Some(_) => Owner::Solid,
    })
}

/// Whether an object is being deleted in the foreground.
pub(super) fn waits_for_dependents(object: &Value) -> bool {
    is_terminating(object) && finalizers(object).iter().any(|one| one == FOREGROUND_FINALIZER)
}

/// Whether an object is in the way of an owner that is deleted in the foreground: only if it says so.
pub(super) fn blocks(object: &Value, owner_uid: &str) -> bool {
    let references = items(&object["metadata"]["ownerReferences"]);
    references.iter().any(|one| one["uid"] == owner_uid && one["blockOwnerDeletion"] == true)
}

/// Replaces the references; none at all is no field.
pub(super) fn set_references(object: &mut Value, references: &[Value]) {
    set_meta(object, "ownerReferences", if references.is_empty() { Value::Null } else { json!(references) });
}
