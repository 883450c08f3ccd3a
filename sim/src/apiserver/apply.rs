use serde_json::{Value, json};

use super::{
    error::ApiError,
    fields::key_element,
    object::meta,
    ownership::{Ownership, Writer, owned_difference, owned_fields},
    resource::Resource,
    topology::{Shape, is_atomic_object, list_shape},
};

/// Applies a configuration to a live object (server-side apply): merges what it names, takes away what this manager
/// applied before and no longer does, refuses to take over fields of others unless `force` says so.
pub(super) fn apply(
    resource: &Resource,
    live: &Value,
    configuration: &Value,
    writer: &Writer,
    force: bool,
) -> Result<Value, ApiError> {
    let mut ownership = Ownership::read(live);
    let fields = owned_fields(resource, configuration);
    let mut merged = live.clone();
    merge(resource, &mut merged, configuration, &mut Vec::new());

    let mut abandoned = ownership.of(writer);
    abandoned.subtract(&fields);
    abandoned.subtract(&ownership.of_others(writer));
    abandoned.remove_from(resource, &mut merged, &mut Vec::new());

    let difference = owned_difference(resource, live, &merged);
    let conflicts = ownership.conflicts(writer, &difference.changed.common(&fields));
    if !conflicts.is_empty() && !force {
        return Err(conflict(resource, meta(live, "name"), &conflicts));
    }
    ownership.record_apply(resource, writer, fields, &difference);
    ownership.write(&mut merged);
    Ok(merged)
}

/// Lays `applied` over `live`, list items with the same key over each other.
pub(super) fn merge(resource: &Resource, live: &mut Value, applied: &Value, path: &mut Vec<String>) {
    match (&mut *live, applied) {
        (Value::Object(live), Value::Object(applied)) if !is_atomic_object(resource, path) => {
            for (name, value) in applied {
                path.push(name.clone());
                match live.get_mut(name) {
                    Some(current) => merge(resource, current, value, path),
                    None => {
                        live.insert(name.clone(), value.clone());
                    }
                }
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(applied)) => match list_shape(resource, path) {
            Shape::Atomic => live.clone_from(applied),
            Shape::Set => {
                for item in applied {
                    if !live.contains(item) {
                        live.push(item.clone());
                    }
                }
            }
            Shape::Map(keys) => {
                for item in applied {
                    let key = key_element(&keys, item);
                    match live.iter_mut().find(|current| key_element(&keys, current) == key) {
                        Some(current) => merge(resource, current, item, path),
                        None => live.push(item.clone()),
                    }
                }
            }
        },
        (live, applied) => live.clone_from(applied),
    }
}

fn conflict(resource: &Resource, name: &str, conflicts: &[(String, super::fields::FieldSet)]) -> ApiError {
    let mut causes = Vec::new();
    let mut said = Vec::new();
    for (who, fields) in conflicts {
        for path in fields.paths() {
            said.push(format!("{who}: {path}"));
            causes.push(json!({ "reason": "FieldManagerConflict", "message": who, "field": path }));
        }
    }
    let counted =
        if causes.len() == 1 { "1 conflict".to_owned() } else { format!("{} conflicts", causes.len()) };
    let mut error =
        ApiError::new(409, "Conflict", format!("Apply failed with {counted}: {}", said.join(", ")));
    error.details = json!({ "name": name, "kind": resource.plural, "causes": causes });
    error
}
