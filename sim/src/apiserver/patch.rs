use json_patch::PatchOperation;
use serde_json::{Map, Value};

use super::{
    error::ApiError,
    fields::key_element,
    resource::Resource,
    topology::{Shape, list_shape},
};

/// The ways to change an object that are not an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' own: a merge patch that merges lists by their key. Approximate: knows `$patch: delete` and
    /// `$patch: replace`, and ignores the order directives.
    Strategic,
}

/// The patched object.
pub(super) fn patched(
    resource: &Resource,
    live: &Value,
    kind: PatchKind,
    patch: &Value,
) -> Result<Value, ApiError> {
    let mut object = live.clone();
    match kind {
        PatchKind::Merge => json_patch::merge(&mut object, patch),
        PatchKind::Strategic => strategic(resource, &mut object, patch, &mut Vec::new()),
        PatchKind::Json => {
            let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| ApiError::bad_request(format!("the JSON patch cannot be read: {error}")))?;
            // To the real server an absent field equals null, and clients rely on it to add the first finalizer.
            let operations: Vec<PatchOperation> =
                operations.0.into_iter().filter(|one| !tests_absence(live, one)).collect();
            json_patch::patch(&mut object, &operations).map_err(|error| {
                ApiError::new(422, "Invalid", format!("the server rejected our request: {error}"))
            })?;
        }
    }
    if !object.is_object() {
        return Err(ApiError::bad_request("a patch must leave an object"));
    }
    Ok(object)
}

/// Whether an operation tests that a field is null which was not there to begin with.
fn tests_absence(live: &Value, operation: &PatchOperation) -> bool {
    match operation {
        PatchOperation::Test(test) => test.value.is_null() && live.pointer(test.path.as_str()).is_none(),
        _ => false,
    }
}

fn strategic(resource: &Resource, live: &mut Value, wanted: &Value, path: &mut Vec<String>) {
    match (&mut *live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            if wanted.get("$patch").is_some_and(|order| order == "replace") {
                live.clear();
            }
            for (name, value) in wanted.iter().filter(|(name, _)| !name.starts_with('$')) {
                if value.is_null() {
                    live.remove(name);
                    continue;
                }
                path.push(name.clone());
                strategic(
                    resource,
                    live.entry(name.clone()).or_insert_with(|| blank_like(value)),
                    value,
                    path,
                );
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(wanted)) => match list_shape(resource, path) {
            Shape::Map(keys) => {
                for item in wanted {
                    let key = key_element(&keys, item);
                    let same = |current: &Value| key_element(&keys, current) == key;
                    if item.get("$patch").is_some_and(|order| order == "delete") {
                        live.retain(|current| !same(current));
                    } else if let Some(current) = live.iter_mut().find(|current| same(current)) {
                        strategic(resource, current, item, path);
                    } else {
                        live.push(item.clone());
                    }
                }
            }
            Shape::Set => {
                live.extend(wanted.iter().filter(|item| !live.contains(item)).cloned().collect::<Vec<_>>());
            }
            Shape::Atomic => live.clone_from(wanted),
        },
        (live, wanted) => live.clone_from(wanted),
    }
}

/// So that a new subtree takes the same way as a present one, and its directives are not stored.
fn blank_like(value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::Object(Map::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apiserver::resource::Catalogue;

    fn patch(kind: PatchKind, patch: &Value) -> Result<Value, ApiError> {
        let live = json!({
            "metadata": { "labels": { "app": "orders", "tier": "db" } },
            "status": { "conditions": [{ "type": "Ready", "status": "False" }, { "type": "Initialized", "status": "True" }] },
        });
        patched(Catalogue::new(true).get("", "pods").unwrap(), &live, kind, patch)
    }

    #[test]
    fn a_merge_patch_removes_by_null_and_replaces_lists() {
        let result = patch(
            PatchKind::Merge,
            &json!({ "metadata": { "labels": { "tier": null } }, "status": { "conditions": [] } }),
        );
        assert_eq!(
            result.unwrap(),
            json!({ "metadata": { "labels": { "app": "orders" } }, "status": { "conditions": [] } })
        );
    }

    #[test]
    fn a_strategic_patch_merges_lists_by_key() {
        let result = patch(
            PatchKind::Strategic,
            &json!({ "status": { "conditions": [
                { "type": "Ready", "status": "True" },
                { "type": "Initialized", "$patch": "delete" },
                { "type": "PodScheduled", "status": "True" },
            ] } }),
        );
        assert_eq!(
            result.unwrap()["status"]["conditions"],
            json!([{ "type": "Ready", "status": "True" }, { "type": "PodScheduled", "status": "True" }])
        );
    }

    #[test]
    fn a_json_patch_applies_its_operations_and_fails_as_a_whole_when_a_test_fails() {
        let result = patch(PatchKind::Json, &json!([{ "op": "remove", "path": "/metadata/labels/tier" }]));
        assert_eq!(result.unwrap()["metadata"]["labels"], json!({ "app": "orders" }));
        let first = json!([
            { "op": "test", "path": "/metadata/finalizers", "value": null },
            { "op": "add", "path": "/metadata/finalizers", "value": ["ms2m.io/cleanup"] },
        ]);
        let added = patch(PatchKind::Json, &first).unwrap();
        assert_eq!(added["metadata"]["finalizers"], json!(["ms2m.io/cleanup"]));
        let refused = patch(
            PatchKind::Json,
            &json!([{ "op": "test", "path": "/metadata/labels/app", "value": "carts" }]),
        );
        assert_eq!(refused.unwrap_err().code, 422);
    }
}
