//! Structural schemas of custom resources: pruning and defaults.

use serde_json::Value;

/// Removes what the schema does not know, then fills defaults in.
pub(super) fn prune_and_default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            let additional = &schema["additionalProperties"];
            let keeps_all = schema["x-kubernetes-preserve-unknown-fields"] == true
                || schema["x-kubernetes-embedded-resource"] == true
                || (properties.is_none() && !additional.is_object());
            let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
            if !keeps_all && !additional.is_object() {
                fields.retain(|name, _| known(name));
            }
            // A null that is not allowed is a field that is not there, and gets its default.
            let nullable = |name: &str| {
                let inner = if known(name) { &schema["properties"][name] } else { additional };
                inner["nullable"] == true || !inner.is_object()
            };
            fields.retain(|name, value| !value.is_null() || nullable(name));
            for (name, property) in properties.into_iter().flatten() {
                if let Some(default) = property.get("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in fields.iter_mut() {
                let inner = if known(name) { &schema["properties"][name.as_str()] } else { additional };
                prune_and_default(inner, child);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| prune_and_default(&schema["items"], item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apiserver::violations::tests::schema;

    #[test]
    fn unknown_fields_are_pruned_and_defaults_filled_in() {
        let mut value = json!({ "spec": { "sourcePod": "a", "typo": 1, "labels": { "any": "b" } } });
        prune_and_default(&schema(), &mut value);
        assert_eq!(
            value,
            json!({ "spec": { "sourcePod": "a", "strategy": "ShadowPod", "labels": { "any": "b" } } })
        );
    }
}
