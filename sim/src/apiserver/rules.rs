//! CEL rules of a custom resource's schema, `x-kubernetes-validations`: the server has them since Kubernetes 1.25.
//!
//! See <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

use std::{collections::BTreeMap, sync::OnceLock};

use kube_cel::{CompiledSchema, SchemaFormat, Validator, compile_schema};
use serde_json::Value;

/// A field, and what is wrong with it.
type Cause = (String, String);

/// The rules of one schema.
#[derive(Debug)]
pub(super) struct Rules {
    schema: Value,
    /// Reading the rules takes longer than all the rest of what a server does at its start: the first object needs them.
    compiled: OnceLock<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    all: CompiledSchema,
    /// What is left to check where no field with rules of its own has changed.
    of_rest: CompiledSchema,
    /// The fields at the top that have rules in them.
    ruled: Vec<String>,
}

impl Compiled {
    fn of(schema: &Value) -> Self {
        let (mut all, mut of_rest) = (compile_schema(schema), compile_schema(schema));
        prune(&mut all);
        of_rest.properties.values_mut().for_each(keep_transitions);
        prune(&mut of_rest);
        let mut ruled: Vec<String> = all
            .properties
            .iter_mut()
            .filter_map(|(field, part)| has_rules(part).then(|| field.clone()))
            .collect();
        ruled.sort();
        Self { all, of_rest, ruled }
    }

    /// What is not changed is not checked again, except for rules about changes: since Kubernetes 1.33 a server does not refuse
    /// it either, valid or not ("ratcheting", KEP-4008).
    fn rules_for(&self, object: &Value, before: Option<&Value>) -> &CompiledSchema {
        let is_same = |before: &Value| self.ruled.iter().all(|field| object[field] == before[field]);
        if before.is_some_and(is_same) { &self.of_rest } else { &self.all }
    }
}

impl Rules {
    pub(super) fn of(schema: &Value) -> Self {
        Self { schema: schema.clone(), compiled: OnceLock::new() }
    }

    /// The rules that an object breaks; those about a change are for one that was there before.
    pub(super) fn violations(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        thread_local! {
            // It knows a hundred functions, and they do not change.
            static VALIDATOR: Validator = Validator::new();
        }
        let (seen, before) = (visible(object), before.map(visible));
        let compiled = self.compiled.get_or_init(|| Compiled::of(&self.schema));
        let rules = compiled.rules_for(&seen, before.as_ref());
        let outcome = VALIDATOR.with(|validator| validator.validate_compiled(rules, &seen, before.as_ref()));
        let broken = outcome.err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
        broken
            .into_iter()
            .map(|rule| {
                let kind = kind_of(at(object, &rule.field_path));
                (rule.field_path, format!("Invalid value: \"{kind}\": {}", rule.message))
            })
            .collect()
    }
}

/// What rules see of an object: of its metadata nothing but its name.
fn visible(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let names = ["name", "generateName"];
    let show = |(field, value): (&String, &Value)| {
        let shown = match (field.as_str(), value) {
            ("metadata", Value::Object(metadata)) => Value::Object(
                metadata
                    .iter()
                    .filter(|(name, _)| names.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            ),
            _ => value.clone(),
        };
        (field.clone(), shown)
    };
    Value::Object(fields.iter().map(show).collect())
}

/// Takes away what a schema says of parts that have no rules and are converted without it in the same way: the evaluation
/// converts every part that it knows anew, with all that is below it.
fn prune(schema: &mut CompiledSchema) {
    let is_plain = |part: &mut CompiledSchema| {
        prune(part);
        part.validations.is_empty()
            && parts(part).is_empty()
            && !(part.is_map || part.embedded_resource || part.format != SchemaFormat::None)
    };
    schema.properties.retain(|_, part| !is_plain(part));
    schema.items.take_if(|part| is_plain(part));
    schema.additional_properties.take_if(|part| is_plain(part));
    schema.all_of.iter_mut().chain(&mut schema.one_of).chain(&mut schema.any_of).for_each(prune);
}

/// Takes away the rules that are not about a change.
fn keep_transitions(schema: &mut CompiledSchema) {
    schema.validations.retain(|rule| rule.as_ref().is_ok_and(|rule| rule.is_transition_rule));
    parts(schema).into_iter().for_each(keep_transitions);
}

fn has_rules(schema: &mut CompiledSchema) -> bool {
    !schema.validations.is_empty() || parts(schema).into_iter().any(has_rules)
}

fn parts(schema: &mut CompiledSchema) -> Vec<&mut CompiledSchema> {
    let CompiledSchema { properties, items, additional_properties, all_of, one_of, any_of, .. } = schema;
    let single = [items, additional_properties].into_iter().filter_map(|part| part.as_deref_mut());
    let branches = all_of.iter_mut().chain(one_of).chain(any_of);
    properties.values_mut().chain(single).chain(branches).collect()
}

/// The rules of a schema that cannot be read, by where they are in it.
pub(super) fn unreadable(schema: &Value, path: &str) -> Vec<Cause> {
    let mut found = Vec::new();
    collect_unreadable(&compile_schema(schema), path, &mut found);
    found
}

fn collect_unreadable(schema: &CompiledSchema, path: &str, found: &mut Vec<Cause>) {
    for (index, rule) in schema.validations.iter().enumerate() {
        if let Err(error) = rule {
            let field = format!("{path}.x-kubernetes-validations[{index}].rule");
            found.push((field, format!("Invalid value: {error}")));
        }
    }
    let properties: BTreeMap<&String, &CompiledSchema> = schema.properties.iter().collect();
    for (name, inner) in properties {
        collect_unreadable(inner, &format!("{path}.properties[{name}]"), found);
    }
    for (inner, name) in [(&schema.items, "items"), (&schema.additional_properties, "additionalProperties")] {
        if let Some(inner) = inner {
            collect_unreadable(inner, &format!("{path}.{name}"), found);
        }
    }
}

/// What is at a path such as `spec.parts[0].name`; null where nothing is.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.fold(object, |value, step| match (value, step.parse::<usize>()) {
        (Value::Array(list), Ok(index)) => list.get(index).unwrap_or(&Value::Null),
        _ => &value[step],
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) | Value::Null => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        let text = json!({ "type": "string", "format": "date-time" });
        let spec = json!({
            "type": "object",
            "properties": { "a": { "type": "integer" }, "grows": { "type": "integer", "x-kubernetes-validations": [
                { "rule": "self >= oldSelf", "message": "it only grows" },
            ] } },
            "x-kubernetes-validations": [{ "rule": "self.a > 0", "message": "a is positive" }],
        });
        Rules::of(&json!({
            "type": "object",
            "properties": { "spec": spec, "status": { "type": "object", "properties": { "at": text } } },
            "x-kubernetes-validations": [{
                "rule": "!has(oldSelf.status) || self.status.at >= oldSelf.status.at",
                "message": "time goes on",
            }],
        }))
    }

    fn broken(object: &Value, before: Option<&Value>) -> Vec<String> {
        rules().violations(object, before).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn what_was_broken_before_and_is_not_changed_is_let_be() {
        let bad = json!({ "spec": { "a": 0, "grows": 1 } });
        assert_eq!(broken(&bad, None), ["spec"]);
        let with_status =
            json!({ "spec": { "a": 0, "grows": 1 }, "status": { "at": "2020-01-01T00:00:00Z" } });
        assert_eq!(broken(&with_status, Some(&bad)), [""; 0]);
        let changed = json!({ "spec": { "a": -1, "grows": 1 } });
        assert_eq!(broken(&changed, Some(&bad)), ["spec"]);
    }

    #[test]
    fn rules_about_changes_are_always_checked() {
        let at = |time: &str, grows: i32| json!({ "metadata": { "name": "m", "labels": {} }, "spec": { "a": 1, "grows": grows }, "status": { "at": time } });
        // As times, not as texts.
        let (early, late) = (at("2020-01-01T00:00:00Z", 1), at("2020-01-01T01:00:00+01:00", 1));
        assert_eq!(broken(&late, Some(&early)), [""; 0]);
        assert_eq!(broken(&at("2019-01-01T00:00:00Z", 1), Some(&early)), [""]);
        assert_eq!(broken(&at("2020-01-01T00:00:00Z", 0), Some(&early)), ["spec.grows"]);
    }
}
