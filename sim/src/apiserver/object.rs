//! Reading and stamping the metadata of an object that is plain JSON.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A string of the metadata; empty when it is not there.
pub(super) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Sets one field of the metadata; removes it when the value is null.
pub(super) fn set_meta(object: &mut Value, field: &str, value: Value) {
    let metadata = child(object, "metadata");
    if value.is_null() {
        metadata.remove(field);
    } else {
        metadata.insert(field.to_owned(), value);
    }
}

/// The object below `field`, put there when it is missing or no object.
pub(super) fn child<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let entry = object_of(object).entry(field.to_owned()).or_insert(Value::Null);
    object_of(entry)
}

fn object_of(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made an object above"),
    }
}

/// The items of a list in the metadata, as strings.
pub(super) fn finalizers(object: &Value) -> Vec<String> {
    strings(&object["metadata"]["finalizers"])
}

/// Sets them; an empty list is none.
pub(super) fn set_finalizers(object: &mut Value, names: Vec<String>) {
    set_meta(object, "finalizers", if names.is_empty() { Value::Null } else { names.into() });
}

/// The strings of a JSON list; others are left out.
pub(super) fn strings(list: &Value) -> Vec<String> {
    items(list).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The items of a JSON list; none when it is no list.
pub(super) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// Whether deletion has been asked for.
pub(super) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The form of `metav1.Time`: UTC, whole seconds.
pub(super) fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Removes nulls at every depth: to the server an explicit null is a field that is not there.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, child| !child.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Whether two versions of an object say the same, bookkeeping apart.
pub(super) fn same_content(one: &Value, other: &Value) -> bool {
    let bookkeeping = ["resourceVersion", "managedFields", "generation"];
    same_but_for(&["metadata"], one, other)
        && same_but_for(&bookkeeping, &one["metadata"], &other["metadata"])
}

/// Whether two objects have the same fields but for those of these names; what is no object has none.
pub(super) fn same_but_for(names: &[&str], one: &Value, other: &Value) -> bool {
    fn rest<'a>(object: &'a Value, names: &'a [&str]) -> impl Iterator<Item = (&'a String, &'a Value)> {
        object.as_object().into_iter().flatten().filter(|(name, _)| !names.contains(&name.as_str()))
    }
    rest(one, names).count() == rest(other, names).count()
        && rest(one, names).all(|(name, value)| other.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bookkeeping_is_no_content() {
        let live = json!({ "metadata": { "name": "a", "resourceVersion": "7", "generation": 1 }, "spec": { "x": 1 } });
        let told = json!({ "metadata": { "name": "a", "managedFields": [{}] }, "spec": { "x": 1 } });
        assert!(same_content(&live, &told) && same_content(&told, &live));
        for other in [
            json!({ "metadata": { "name": "b" }, "spec": { "x": 1 } }),
            json!({ "metadata": { "name": "a", "labels": {} }, "spec": { "x": 1 } }),
            json!({ "metadata": { "name": "a" }, "spec": { "x": 2 } }),
            json!({ "metadata": { "name": "a" } }),
            json!({ "metadata": { "name": "a" }, "spec": { "x": 1 }, "status": null }),
            json!({ "spec": { "x": 1 } }),
        ] {
            assert!(!same_content(&live, &other) && !same_content(&other, &live), "{other}");
        }
    }

    #[test]
    fn metadata_that_says_nothing_is_as_good_as_none() {
        assert!(same_content(&json!({ "metadata": { "resourceVersion": "7" } }), &json!({})));
    }
}
