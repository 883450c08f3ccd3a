//! CEL rules of a custom resource's schema, `x-kubernetes-validations`: the server has them since Kubernetes 1.25.
//!
//! See <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

use std::{collections::BTreeMap, sync::OnceLock};

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

/// A field, and what is wrong with it.
type Cause = (String, String);

/// The rules of one schema.
#[derive(Debug)]
pub(super) struct Rules {
    schema: Value,
    /// Reading the rules takes longer than all the rest of what a server does at its start: the first object needs them.
    compiled: OnceLock<CompiledSchema>,
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
        let compiled = self.compiled.get_or_init(|| compile_schema(&self.schema));
        let outcome = VALIDATOR.with(|validator| validator.validate_compiled(compiled, object, before));
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
