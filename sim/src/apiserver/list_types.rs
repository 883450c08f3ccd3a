//! Lists that are sets or maps: nothing is in them twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::object::{items, strings};

/// A field, and what is wrong with it.
type Cause = (String, String);

/// The items that are in a list a second time that its schema calls a set or a map.
pub(super) fn duplicates(schema: &Value, value: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    search(schema, value, "", &mut found);
    found
}

fn search(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                if let Some(inner) = schema["properties"].get(name) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    search(inner, child, &path, found);
                } else if schema["additionalProperties"].is_object() {
                    search(&schema["additionalProperties"], child, &format!("{path}[{name}]"), found);
                }
            }
        }
        Value::Array(list) => {
            match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => repeated(list.clone(), path, found),
                Some("map") => {
                    let keys = strings(&schema["x-kubernetes-list-map-keys"]);
                    repeated(list.iter().map(|item| key_of(&keys, item)).collect(), path, found);
                }
                _ => {}
            }
            for (index, item) in list.iter().enumerate() {
                search(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// The fields of an item by which it is told from others; those that it lacks are left out.
pub(super) fn key_of(keys: &[String], item: &Value) -> Value {
    let field = |key: &String| Some((key.clone(), item.get(key)?.clone()));
    Value::Object(keys.iter().filter_map(field).collect::<Map<_, _>>())
}

/// The first repetition of each.
fn repeated(list: Vec<Value>, path: &str, found: &mut Vec<Cause>) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (index, item) in list.into_iter().enumerate() {
        let times = seen.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            found.push((format!("{path}[{index}]"), format!("Duplicate value: {item}")));
        }
    }
}

/// Whether a schema has any such list in it, at whatever depth.
pub(super) fn are_in(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.get("x-kubernetes-list-type").is_some_and(|kind| kind == "set" || kind == "map")
                || fields.values().any(are_in)
        }
        Value::Array(_) => items(schema).iter().any(are_in),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_a_set_or_a_map_twice_is_named_once() {
        let schema = json!({ "properties": {
            "tags": { "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "parts": { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"], "items": {} },
            "free": { "items": {} },
            "by": { "additionalProperties": { "x-kubernetes-list-type": "set" } },
        } });
        let value = json!({
            "tags": ["a", "b", "a", "a"],
            "parts": [{ "name": "a", "n": 1 }, { "name": "a", "kind": "k" }, { "name": "a", "n": 2 }],
            "free": ["a", "a"],
            "by": { "k": [1, 1] },
        });
        let found: Vec<String> =
            duplicates(&schema, &value).into_iter().map(|(field, why)| format!("{field}: {why}")).collect();
        assert_eq!(
            found,
            [
                "by[k][1]: Duplicate value: 1",
                r#"parts[2]: Duplicate value: {"name":"a"}"#,
                r#"tags[2]: Duplicate value: "a""#,
            ]
        );
        assert!(
            are_in(&schema)
                && !are_in(&json!({ "properties": { "a": { "x-kubernetes-list-type": "atomic" } } }))
        );
    }
}
