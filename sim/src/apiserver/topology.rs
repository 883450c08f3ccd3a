use serde_json::{Value, json};

use super::{object::strings, resource::Resource};

/// How a list or a map is merged, and who can own what inside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Merged field by field, or item by item with the given key; a default stands for a key that is left out.
    Map(Vec<(String, Option<Value>)>),
    /// A list of values, each of which is there or not.
    Set,
    /// Replaced as a whole, and owned as a whole.
    Atomic,
}

/// Built-in lists with keys, by the name of their field.
const KEYED_LISTS: &[(&str, &[&str])] = &[
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("ownerReferences", &["uid"]),
    ("addresses", &["type"]),
    ("hostAliases", &["ip"]),
    ("podIPs", &["ip"]),
    ("volumeClaimTemplates", &["metadata"]),
];

/// Built-in objects that are one value.
const ATOMIC_OBJECTS: &[&str] = &[
    "selector",
    "labelSelector",
    "nodeSelector",
    "fieldRef",
    "resourceFieldRef",
    "secretKeyRef",
    "configMapKeyRef",
    "secretRef",
    "involvedObject",
    "regarding",
];

/// How the list at `path` of a resource is merged; `path` holds field names only, list items leave no trace in it.
pub(super) fn list_shape(resource: &Resource, path: &[String]) -> Shape {
    let field = path.last().map_or("", String::as_str);
    if resource.custom && path.first().is_some_and(|first| first != "metadata") {
        return schema_list_shape(schema_at(resource, path));
    }
    match field {
        "finalizers" => Shape::Set,
        "ports" if path.iter().any(|part| part == "containers" || part == "initContainers") => {
            Shape::Map(vec![("containerPort".to_owned(), None), ("protocol".to_owned(), Some(json!("TCP")))])
        }
        "ports" if resource.kind == "Service" => {
            Shape::Map(vec![("port".to_owned(), None), ("protocol".to_owned(), Some(json!("TCP")))])
        }
        _ => KEYED_LISTS.iter().find(|(name, _)| *name == field).map_or(Shape::Atomic, |(_, keys)| {
            Shape::Map(keys.iter().map(|key| ((*key).to_owned(), None)).collect())
        }),
    }
}

/// Whether the object at `path` is owned as a whole.
pub(super) fn is_atomic_object(resource: &Resource, path: &[String]) -> bool {
    let Some(field) = path.last() else { return false };
    if resource.custom && path.first().is_some_and(|first| first != "metadata") {
        return schema_at(resource, path).is_some_and(|schema| schema["x-kubernetes-map-type"] == "atomic");
    }
    path.len() > 1 && ATOMIC_OBJECTS.contains(&field.as_str())
}

/// Built-in objects whose fields are data rather than structure.
const MAPS: &[&str] = &[
    "labels",
    "annotations",
    "data",
    "binaryData",
    "matchLabels",
    "limits",
    "requests",
    "capacity",
    "allocatable",
];

/// Whether what is at `path` is there or not apart from what is in it, so that who puts it there owns it: a map, or a
/// list with keys.
pub(super) fn is_owned_itself(resource: &Resource, path: &[String], value: &Value) -> bool {
    let Some(field) = path.last() else { return false };
    match value {
        // It cannot be left out, and so nobody puts it there.
        Value::Array(_) if field == "containers" => false,
        Value::Array(_) => list_shape(resource, path) != Shape::Atomic,
        Value::Object(_) if resource.custom && path.first().is_some_and(|first| first != "metadata") => {
            schema_at(resource, path).is_some_and(|schema| schema["additionalProperties"].is_object())
        }
        Value::Object(_) => MAPS.contains(&field.as_str()),
        _ => false,
    }
}

fn schema_list_shape(schema: Option<&Value>) -> Shape {
    let Some(schema) = schema else { return Shape::Atomic };
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Shape::Set,
        Some("map") => {
            let properties = &schema["items"]["properties"];
            let keys = strings(&schema["x-kubernetes-list-map-keys"]);
            Shape::Map(
                keys.into_iter()
                    .map(|key| {
                        let default = properties[key.as_str()].get("default").cloned();
                        (key, default)
                    })
                    .collect(),
            )
        }
        _ => Shape::Atomic,
    }
}

/// The schema of a custom resource's field; the path steps through list items without a trace.
fn schema_at<'a>(resource: &'a Resource, path: &[String]) -> Option<&'a Value> {
    let mut schema = resource.schema.as_ref()?;
    for field in path {
        if let Some(items) = schema.get("items") {
            schema = items;
        }
        schema = schema["properties"].get(field).or_else(|| schema.get("additionalProperties"))?;
    }
    Some(schema)
}
