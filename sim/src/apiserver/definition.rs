//! What a `CustomResourceDefinition` insists on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    object::{items, meta, strings},
    rules,
};

/// A field, and what is wrong with it.
type Cause = (String, String);

/// What is wrong with a definition.
pub(super) fn causes(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expected = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if meta(object, "name") != expected {
        let why = format!("Invalid value: must be spec.names.plural+\".\"+spec.group, {expected}");
        causes.push(("metadata.name".to_owned(), why));
    }
    let versions = items(&spec["versions"]);
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let are_alike = versions.iter().all(|version| schema(version) == schema(&versions[0]));
    for (index, version) in versions.iter().enumerate() {
        let schema = &version["schema"]["openAPIV3Schema"];
        let own = format!("spec.versions[{index}].schema.openAPIV3Schema");
        if !schema.is_object() {
            causes.push((own, "Required value: schemas are required".to_owned()));
            continue;
        }
        // Inside the real server, a schema that all versions have is one of the whole definition.
        let path = if are_alike { "spec.validation.openAPIV3Schema".to_owned() } else { own };
        causes.extend(rules::unreadable(schema, &path));
        check_schema(schema, &path, &mut causes);
        if are_alike {
            break;
        }
    }
    causes
}

fn check_schema(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if schema["uniqueItems"] == true {
        let why =
            "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push((format!("{path}.uniqueItems"), why.to_owned()));
    }
    check_list_type(schema, path, causes);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        check_schema(inner, &format!("{path}.properties[{name}]"), causes);
    }
    for part in ["items", "additionalProperties", "not"] {
        if schema[part].is_object() {
            check_schema(&schema[part], &format!("{path}.{part}"), causes);
        }
    }
    for parts in ["allOf", "anyOf", "oneOf"] {
        for (index, part) in items(&schema[parts]).iter().enumerate() {
            check_schema(part, &format!("{path}.{parts}[{index}]"), causes);
        }
    }
}

fn check_list_type(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let keys = strings(&schema["x-kubernetes-list-map-keys"]);
    let mut refuse = |field: &str, why: String| causes.push((format!("{path}.{field}"), why));
    let Some(kind) = schema["x-kubernetes-list-type"].as_str() else {
        if !keys.is_empty() {
            let why = "Required value: must be map if x-kubernetes-list-map-keys is non-empty";
            refuse("x-kubernetes-list-type", why.to_owned());
        }
        return;
    };
    if !matches!(kind, "atomic" | "set" | "map") {
        let why = format!("Unsupported value: \"{kind}\": supported values: \"atomic\", \"map\", \"set\"");
        refuse("x-kubernetes-list-type", why);
    }
    if schema["type"] != "array" {
        let given = schema["type"].as_str().unwrap_or_default();
        let why = format!("Invalid value: \"{given}\": must be array if x-kubernetes-list-type is specified");
        refuse("type", why);
    }
    if kind != "map" {
        return;
    }
    if keys.is_empty() {
        let why = "Required value: must not be empty if x-kubernetes-list-type is map";
        refuse("x-kubernetes-list-map-keys", why.to_owned());
    }
    let item = &schema["items"];
    let required: BTreeSet<String> = strings(&item["required"]).into_iter().collect();
    for key in keys {
        let property = &item["properties"][key.as_str()];
        if !property.is_object() {
            let why = "Invalid value: entries must all be names of item properties";
            refuse("x-kubernetes-list-map-keys", why.to_owned());
        } else if !required.contains(&key) && property.get("default").is_none() {
            let why = "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or \
                       be a required property";
            refuse(&format!("items.properties[{key}].default"), why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::causes;

    fn fields(part: &serde_json::Value) -> Vec<String> {
        let schema = json!({ "type": "object", "properties": { "a": part } });
        let definition = json!({
            "metadata": { "name": "as.b" },
            "spec": {
                "group": "b", "names": { "plural": "as" },
                "versions": [{ "name": "v1", "schema": { "openAPIV3Schema": schema } }],
            },
        });
        let beginning = "spec.validation.openAPIV3Schema.properties[a].";
        let found = causes(&definition).into_iter();
        found.map(|(field, _)| field.strip_prefix(beginning).unwrap().to_owned()).collect()
    }

    #[test]
    fn a_list_is_no_set_by_unique_items_and_no_map_without_keys() {
        let items = json!({ "type": "object", "required": ["n"], "properties": { "n": {}, "m": {} } });
        let list = |kind: &str, keys: &[&str]| {
            json!({
                "type": "array", "items": items, "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": keys,
            })
        };
        assert_eq!(fields(&json!({ "type": "array", "uniqueItems": true })), ["uniqueItems"]);
        assert_eq!(fields(&list("map", &["n"])), [""; 0]);
        assert_eq!(fields(&list("map", &[])), ["x-kubernetes-list-map-keys"]);
        assert_eq!(fields(&list("map", &["o"])), ["x-kubernetes-list-map-keys"]);
        assert_eq!(fields(&list("map", &["m"])), ["items.properties[m].default"]);
        assert_eq!(fields(&list("bag", &[])), ["x-kubernetes-list-type"]);
        let of_text = json!({ "type": "string", "x-kubernetes-list-type": "set" });
        assert_eq!(fields(&of_text), ["type"]);
    }
}
