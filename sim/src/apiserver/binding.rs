//! `pods/binding`: what a scheduler asks for.

use serde_json::{Value, json};

use super::{
    conditions::set_condition,
    error::ApiError,
    object::{child, is_terminating, meta},
    request::Request,
    store::{Key, Store},
};

/// Puts a pod on the node that a `Binding` names.
pub(super) fn bind_as_asked(store: &mut Store, key: &Key, request: &Request) -> Result<(), ApiError> {
    let binding = request.json_of(&["v1"], "Binding")?;
    if meta(&binding, "name") != key.name {
        return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
    }
    let (kind, node) = (&binding["target"]["kind"], binding["target"]["name"].as_str().unwrap_or_default());
    let mut causes = Vec::new();
    if let Some(kind) = kind.as_str().filter(|kind| !kind.is_empty() && *kind != "Node") {
        let why = format!("Unsupported value: \"{kind}\": supported values: \"Node\", \"<empty>\"");
        causes.push(("target.kind".to_owned(), why));
    }
    if node.is_empty() {
        causes.push(("target.name".to_owned(), "Required value".to_owned()));
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid(("", "Binding"), &key.name, &causes));
    }
    if request.is_dry_run() {
        return may_be_bound(store, key);
    }
    bind(store, key, node, &binding["metadata"]["annotations"])
}

/// Puts a pod on a node, once and for all. As with a real server, nobody is recorded as who set the fields.
///
/// # Errors
/// 404 when there is no such pod, 409 when it is on a node already or is being deleted.
pub(super) fn bind(store: &mut Store, key: &Key, node: &str, annotations: &Value) -> Result<(), ApiError> {
    may_be_bound(store, key)?;
    let mut pod = Value::clone(&*store.get_existing(key)?);
    pod["spec"]["nodeName"] = json!(node);
    if let Some(annotations) = annotations.as_object().filter(|annotations| !annotations.is_empty()) {
        let own = child(&mut pod["metadata"], "annotations");
        own.extend(annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let bound = json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": store.stamp() });
    set_condition(&mut pod, bound);
    store.commit(key.clone(), pod);
    Ok(())
}

fn may_be_bound(store: &Store, key: &Key) -> Result<(), ApiError> {
    let pod = store.get_existing(key)?;
    let name = &key.name;
    let why = if is_terminating(&pod) {
        format!("pod {name} is being deleted, cannot be assigned to a host")
    } else {
        match pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            Some(node) => format!("pod {name} is already assigned to node \"{node}\""),
            None => return Ok(()),
        }
    };
    Err(ApiError::conflict("", "pods/binding", name, &why))
}
