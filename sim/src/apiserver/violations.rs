//! What a structural schema forbids: the checks that need no expression language, in the real server's words.

use serde_json::{Map, Value, json};

use super::{
    limits,
    list_types::key_of,
    object::{items, strings},
};

/// A field, and what is wrong with it.
type Cause = (String, String);

/// Everything in `value` that the schema forbids. What was there before and is not changed is let be, right or wrong, as
/// since Kubernetes 1.33 ("ratcheting", KEP-4008).
pub(super) fn violations(schema: &Value, value: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    check(schema, value, before, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, before: Option<&Value>, path: &str, found: &mut Vec<Cause>) {
    let Some(keywords) = schema.as_object() else { return };
    if before == Some(value) {
        return;
    }
    if let Some(why) = wrong_type(schema, value, path) {
        found.push((path.to_owned(), why));
        return;
    }
    for (keyword, limit) in keywords {
        if let Some(why) = limits::broken(keywords, (keyword, limit), value, path) {
            found.push((path.to_owned(), why));
        }
    }
    check_combinations(keywords, value, path, found);
    match value {
        Value::Object(fields) => check_fields(schema, fields, before, path, found),
        Value::Array(list) => check_items(schema, list, before, path, found),
        _ => {}
    }
}

fn check_fields(
    schema: &Value,
    fields: &Map<String, Value>,
    before: Option<&Value>,
    path: &str,
    found: &mut Vec<Cause>,
) {
    for name in strings(&schema["required"]) {
        if !fields.contains_key(&name) {
            found.push((below(path, &name), "Required value".to_owned()));
        }
    }
    for (name, child) in fields {
        let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
        check(inner, child, before.and_then(|before| before.get(name)), &below(path, name), found);
    }
}

/// Only items with a key can be told to be those that were there before.
fn check_items(schema: &Value, list: &[Value], before: Option<&Value>, path: &str, found: &mut Vec<Cause>) {
    let keys = match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => strings(&schema["x-kubernetes-list-map-keys"]),
        _ => Vec::new(),
    };
    for (index, item) in list.iter().enumerate() {
        let same = |other: &&Value| key_of(&keys, other) == key_of(&keys, item);
        let before = before.filter(|_| !keys.is_empty()).and_then(|before| items(before).iter().find(same));
        check(&schema["items"], item, before, &format!("{path}[{index}]"), found);
    }
}

/// The parts of a schema of which all, one, some or none must hold.
fn check_combinations(keywords: &Map<String, Value>, value: &Value, path: &str, found: &mut Vec<Cause>) {
    let failures = |keyword: &str| -> Vec<Vec<Cause>> {
        let parts = keywords.get(keyword).map_or(&[][..], items);
        parts.iter().map(|part| of_part(part, value, path)).collect()
    };
    let holds = |failures: &Vec<Cause>| failures.is_empty();
    let any = failures("anyOf");
    if !any.is_empty() && !any.iter().any(holds) {
        found.push(combined(path, "must validate at least one schema (anyOf)"));
        found.extend(nearest(any));
    }
    let one = failures("oneOf");
    let count = one.iter().filter(|failures| holds(failures)).count();
    if !one.is_empty() && count != 1 {
        let says = if count == 0 { "none valid".to_owned() } else { format!("{count} valid alternatives") };
        found.push(combined(path, &format!("must validate one and only one schema (oneOf). Found {says}")));
        if count == 0 {
            found.extend(nearest(one));
        }
    }
    let all = failures("allOf");
    if !all.iter().all(holds) {
        let says = if all.iter().any(holds) { "" } else { ". None validated" };
        found.extend(all.into_iter().flatten());
        found.push(combined(path, &format!("must validate all the schemas (allOf){says}")));
    }
    if let Some(part) = keywords.get("not")
        && of_part(part, value, path).is_empty()
    {
        found.push(combined(path, "must not validate the schema (not)"));
    }
}

fn of_part(part: &Value, value: &Value, path: &str) -> Vec<Cause> {
    let mut found = Vec::new();
    check(part, value, None, path, &mut found);
    found
}

/// Of several alternatives, what is wrong by that with which the least is.
fn nearest(alternatives: Vec<Vec<Cause>>) -> Vec<Cause> {
    alternatives.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// The real server does not say of these as of a field where they are.
fn combined(path: &str, why: &str) -> Cause {
    ("<nil>".to_owned(), format!("Invalid value: \"\": {} {why}", json!(path)))
}

fn wrong_type(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let found = type_of(value);
    let wanted = if schema["x-kubernetes-int-or-string"] == true {
        "integer,string"
    } else {
        schema["type"].as_str().unwrap_or_default()
    };
    let is_right = match found {
        _ if wanted.is_empty() => true,
        "null" => schema["nullable"] == true,
        "integer" => wanted == "number" || wanted.split(',').any(|one| one == "integer"),
        // A number without a fraction is a whole one, however it is written.
        "number" if wanted.split(',').any(|one| one == "integer") => {
            value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        found => wanted.split(',').any(|one| one == found),
    };
    (!is_right)
        .then(|| format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::apiserver) fn schema() -> Value {
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

    /// What is said of `value` as the field `x`.
    #[allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]
    fn said(schema: Value, value: Value) -> Vec<String> {
        let schema = json!({ "type": "object", "properties": { "x": schema } });
        let found = violations(&schema, &json!({ "x": value }), None);
        found.into_iter().map(|(field, why)| format!("{field}: {why}")).collect()
    }

    #[test]
    fn each_violation_names_its_field() {
        let bad = json!({ "spec": { "strategy": "Teleport", "retries": 9, "labels": { "any": 1 } } });
        let found: Vec<String> =
            violations(&schema(), &bad, None).into_iter().map(|(field, _)| field).collect();
        assert_eq!(found, ["spec.sourcePod", "spec.labels.any", "spec.retries", "spec.strategy"]);
        assert_eq!(
            violations(&schema(), &json!({}), None),
            [("spec".to_owned(), "Required value".to_owned())]
        );
        assert!(violations(&schema(), &json!({ "spec": { "sourcePod": "a" } }), None).is_empty());
    }

    #[test]
    fn what_is_wrong_already_and_is_not_changed_is_let_be() {
        let before = json!({ "spec": { "sourcePod": "a", "retries": 9 } });
        let now = json!({ "spec": { "sourcePod": "b", "retries": 9 } });
        assert_eq!(violations(&schema(), &now, Some(&before)), []);
        let worse = json!({ "spec": { "sourcePod": "b", "retries": 10 } });
        assert_eq!(violations(&schema(), &worse, Some(&before))[0].0, "spec.retries");
        let unnamed = json!({ "spec": { "retries": 9 } });
        assert_eq!(violations(&schema(), &unnamed, Some(&before))[0].0, "spec.sourcePod");
    }

    #[test]
    fn an_item_is_the_one_before_by_its_key() {
        let part = json!({ "type": "object", "properties": { "n": { "type": "integer", "maximum": 1 } } });
        let list = |kind: &str| {
            json!({
                "type": "array", "items": part, "x-kubernetes-list-type": kind,
                "x-kubernetes-list-map-keys": ["name"],
            })
        };
        let before = json!([{ "name": "a", "n": 2 }]);
        let now = json!([{ "name": "b", "n": 1 }, { "name": "a", "n": 2 }]);
        assert_eq!(violations(&list("map"), &now, Some(&before)), []);
        assert_eq!(violations(&list("atomic"), &now, Some(&before)).len(), 1);
    }

    #[test]
    fn types_are_named_and_a_whole_number_is_an_integer_however_it_is_written() {
        let wrong = r#"x: Invalid value: "string": x in body must be of type integer: "string""#;
        assert_eq!(said(json!({ "type": "integer" }), json!("1")), [wrong]);
        assert_eq!(said(json!({ "type": "integer" }), json!(1.0)), [""; 0]);
        assert_eq!(said(json!({ "type": "integer" }), json!(1.5)).len(), 1);
        assert_eq!(said(json!({ "type": "number" }), json!(1)), [""; 0]);
        assert_eq!(said(json!({ "type": "string", "nullable": true }), Value::Null), [""; 0]);
        assert_eq!(said(json!({ "type": "string" }), Value::Null).len(), 1);
        let either = json!({ "x-kubernetes-int-or-string": true });
        assert_eq!(said(either.clone(), json!("25%")), [""; 0]);
        assert_eq!(said(either.clone(), json!(1)), [""; 0]);
        assert_eq!(said(either, json!(true)).len(), 1);
    }

    #[test]
    fn alternatives_are_counted() {
        let (small, large) = (json!({ "maximum": 5 }), json!({ "minimum": 3 }));
        let of = |keyword: &str| json!({ "type": "integer", keyword: [small, large] });
        let one = r#"<nil>: Invalid value: "": "x" must validate one and only one schema (oneOf). "#;
        assert_eq!(said(of("oneOf"), json!(1)), [""; 0]);
        assert_eq!(said(of("oneOf"), json!(4)), [format!("{one}Found 2 valid alternatives")]);
        assert_eq!(said(of("anyOf"), json!(4)), [""; 0]);
        assert_eq!(said(of("allOf"), json!(4)), [""; 0]);
        assert_eq!(
            said(of("allOf"), json!(1)),
            [
                "x: Invalid value: 1: x in body should be greater than or equal to 3",
                r#"<nil>: Invalid value: "": "x" must validate all the schemas (allOf)"#,
            ]
        );
        let none = json!({ "type": "integer", "oneOf": [{ "maximum": 1 }, { "minimum": 9 }] });
        let found = said(none, json!(5));
        assert_eq!((found.len(), &found[0]), (2, &format!("{one}Found none valid")));
        let any = json!({ "type": "integer", "anyOf": [{ "maximum": 1 }, { "minimum": 9 }] });
        let first = r#"<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)"#;
        assert_eq!(said(any, json!(5))[0], first);
        let not = json!({ "type": "integer", "not": { "minimum": 3 } });
        let refused = r#"<nil>: Invalid value: "": "x" must not validate the schema (not)"#;
        assert_eq!((said(not.clone(), json!(2)).len(), said(not, json!(3))), (0, vec![refused.to_owned()]));
    }

    #[test]
    fn an_alternative_may_be_about_what_is_there() {
        let schema = json!({
            "type": "object",
            "properties": { "a": { "type": "string" }, "b": { "type": "string" } },
            "oneOf": [{ "required": ["a"] }, { "required": ["b"] }],
        });
        assert_eq!(said(schema.clone(), json!({ "a": "1" })), [""; 0]);
        assert_eq!(said(schema.clone(), json!({ "a": "1", "b": "2" })).len(), 1);
        let neither = said(schema, json!({}));
        assert_eq!(neither[1], "x.a: Required value");
    }
}
