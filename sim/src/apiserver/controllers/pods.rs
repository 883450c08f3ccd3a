//! Pods, as the controllers that own them see and make them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::MANAGER;
use crate::apiserver::{
    delete::{DeleteOptions, is_owned_by},
    error::ApiError,
    object::{is_terminating, meta, set_meta},
    ownership::{Operation, Writer},
    store::{Key, Store},
    write::Write,
};

/// The pods that name an object as one of their owners.
pub(super) fn of(store: &Store, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = meta(owner, "uid");
    store
        .entries("", "pods", meta(owner, "namespace"))
        .filter(|(_, pod)| is_owned_by(pod, uid))
        .map(|(key, pod)| (key.clone(), pod.clone()))
        .collect()
}

pub(super) fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or_default()
}

/// Whether its containers have ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it works, or is on its way to.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_over(pod) && !is_terminating(pod)
}

/// A reference by which an object says who controls it.
pub(super) fn controlled_by(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta(owner, "name"),
        "uid": meta(owner, "uid"),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// A pod of an owner's template, which the owner controls; it has no name yet.
pub(super) fn of_template(owner: &Value) -> Value {
    let template = &owner["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    set_meta(&mut pod, "ownerReferences", json!([controlled_by(owner)]));
    pod
}

/// Puts an object there, in the owner's namespace.
pub(super) fn create(
    store: &mut Store,
    (group, plural): (&str, &str),
    namespace: &str,
    object: Value,
) -> Result<Arc<Value>, ApiError> {
    let resource = store.catalogue.get(group, plural).cloned().ok_or_else(ApiError::no_such_path)?;
    let write = Write {
        key: Key::new(&resource, namespace, ""),
        subresource: String::new(),
        writer: Writer {
            manager: MANAGER.to_owned(),
            operation: Operation::Update,
            subresource: String::new(),
            time: store.stamp(),
        },
        dry_run: false,
        resource,
    };
    store.create(&write, object)
}

/// Asks for an object's deletion. It can only be gone already, and then there is nothing left to do.
pub(super) fn delete(store: &mut Store, key: &Key) {
    delete_with(store, key, &DeleteOptions::background());
}

/// The same, and says what becomes of its dependents.
pub(super) fn delete_with(store: &mut Store, key: &Key, options: &DeleteOptions) {
    let Some(resource) = store.catalogue.get(&key.group, &key.plural).cloned() else { return };
    if let Err(error) = store.delete(&resource, key, options) {
        tracing::debug!(target: "apiserver", %error, "it was gone already");
    }
}
