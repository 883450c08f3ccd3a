//! Structural schemas of custom resources: pruning, defaults and the checks that need no expression language.

use std::{cell::RefCell, collections::BTreeMap};

use regex::Regex;
use serde_json::Value;

use super::object::strings;

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

/// Everything in `value` that the schema forbids, as (field, reason).
pub(super) fn violations(schema: &Value, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    if !has_type(schema, value) {
        let expected = schema["type"].as_str().unwrap_or_default();
        found.push((path.to_owned(), format!("Invalid value: must be of type {expected}")));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        found.push((
            path.to_owned(),
            format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")),
        ));
    }
    check_limits(schema, value, path, found);
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !matches(pattern, text)
    {
        found.push((path.to_owned(), format!("Invalid value: \"{text}\": should match '{pattern}'")));
    }
    match value {
        Value::Object(fields) => {
            for name in strings(&schema["required"]) {
                if !fields.contains_key(&name) {
                    found.push((below(path, &name), "Required value".to_owned()));
                }
            }
            for (name, child) in fields {
                let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                check(inner, child, &below(path, name), found);
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn check_limits(schema: &Value, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let (measured, smallest, largest, what) = match value {
        Value::Number(number) => (number.as_f64(), "minimum", "maximum", ""),
        Value::String(text) => (Some(text.chars().count() as f64), "minLength", "maxLength", " characters"),
        Value::Array(list) => (Some(list.len() as f64), "minItems", "maxItems", " items"),
        _ => return,
    };
    let Some(measured) = measured else { return };
    if let Some(limit) = schema[smallest].as_f64().filter(|limit| measured < *limit) {
        found.push((path.to_owned(), format!("Invalid value: should be at least {limit}{what}")));
    }
    if let Some(limit) = schema[largest].as_f64().filter(|limit| measured > *limit) {
        found.push((path.to_owned(), format!("Invalid value: should be at most {limit}{what}")));
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    if value.is_null() && schema["nullable"] == true {
        return true;
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        _ => true,
    }
}

/// Whether a text has the pattern somewhere in it. One that cannot be read is matched by nothing.
fn matches(pattern: &str, text: &str) -> bool {
    thread_local! {
        // Reading a pattern takes longer than all the rest of a check.
        static KNOWN: RefCell<BTreeMap<String, Option<Regex>>> = const { RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        let read = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
        read.as_ref().is_some_and(|pattern| pattern.is_match(text))
    })
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["spec"],
            "properties": { "spec": {
                "type": "object",
                "required": ["sourcePod"],
                "properties": {
                    "sourcePod": { "type": "string", "minLength": 1 },
                    "strategy": { "type": "string", "enum": ["ShadowPod"], "default": "ShadowPod" },
                    "retries": { "type": "integer", "minimum": 0, "maximum": 5 },
                    "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                },
            } },
        })
    }

    #[test]
    fn unknown_fields_are_pruned_and_defaults_filled_in() {
        let mut value = json!({ "spec": { "sourcePod": "a", "typo": 1, "labels": { "any": "b" } } });
        prune_and_default(&schema(), &mut value);
        assert_eq!(
            value,
            json!({ "spec": { "sourcePod": "a", "strategy": "ShadowPod", "labels": { "any": "b" } } })
        );
    }

    #[test]
    fn each_violation_names_its_field() {
        let bad = json!({ "spec": { "strategy": "Teleport", "retries": 9, "labels": { "any": 1 } } });
        let found: Vec<String> = violations(&schema(), &bad).into_iter().map(|(field, _)| field).collect();
        assert_eq!(found, ["spec.sourcePod", "spec.labels.any", "spec.retries", "spec.strategy"]);
        assert_eq!(violations(&schema(), &json!({})), [("spec".to_owned(), "Required value".to_owned())]);
        assert!(violations(&schema(), &json!({ "spec": { "sourcePod": "a" } })).is_empty());
    }
}
