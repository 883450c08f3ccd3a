//! `scale`: how many pods an owner wants, whatever kind of owner it is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    error::ApiError,
    object::{items, meta, set_meta, strings},
    patch::{PatchKind, patched},
    request::Request,
    store::Store,
    write::Write,
};

const API_VERSIONS: &[&str] = &["autoscaling/v1"];

/// The `Scale` of an owner.
pub(super) fn scale_of(owner: &Value) -> Value {
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": { "replicas": owner["status"]["replicas"].as_i64().unwrap_or_default() },
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        set_meta(&mut scale, field, owner["metadata"][field].clone());
    }
    if let Some(replicas) = owner["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = json!(replicas);
    }
    let selector = selector_text(&owner["spec"]["selector"]);
    if !selector.is_empty() {
        scale["status"]["selector"] = json!(selector);
    }
    scale
}

/// A label selector as a query spells it.
fn selector_text(selector: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<(String, String)> =
        equal.map(|(key, value)| (key.clone(), format!("{key}={}", text(value)))).collect();
    for term in items(&selector["matchExpressions"]) {
        let key = text(&term["key"]);
        let mut values = strings(&term["values"]);
        values.sort();
        let values = values.join(",");
        let said = match term["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.clone(),
        };
        terms.push((key, said));
    }
    terms.sort();
    terms.into_iter().map(|(_, said)| said).collect::<Vec<_>>().join(",")
}

impl Store {
    /// Replaces the scale of an owner; answers with what it is then.
    pub(super) fn update_scale(&mut self, write: &Write, request: &Request) -> Result<Value, ApiError> {
        let live = self.get_existing(&write.key)?;
        self.set_scale(write, &live, &request.json_of(API_VERSIONS, "Scale")?)
    }

    /// Patches it.
    pub(super) fn patch_scale(
        &mut self,
        write: &Write,
        kind: PatchKind,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        let live = self.get_existing(&write.key)?;
        let scale = patched(&write.resource, &scale_of(&live), kind, patch)?;
        self.set_scale(write, &live, &scale)
    }

    /// Applies it: of the owner, the manager owns nothing but how many pods it wants.
    pub(super) fn apply_scale(
        &mut self,
        write: &Write,
        scale: &Value,
        force: bool,
    ) -> Result<Value, ApiError> {
        check(write, scale)?;
        let mut configuration = json!({ "metadata": { "name": write.key.name } });
        if let Some(replicas) = scale["spec"].get("replicas") {
            configuration["spec"]["replicas"] = replicas.clone();
        }
        for field in ["uid", "resourceVersion"] {
            set_meta(&mut configuration, field, scale["metadata"][field].clone());
        }
        let (owner, _) = self.apply(write, configuration, force)?;
        Ok(scale_of(&owner))
    }

    fn set_scale(&mut self, write: &Write, live: &Arc<Value>, scale: &Value) -> Result<Value, ApiError> {
        check(write, scale)?;
        let mut owner = Value::clone(live);
        owner["spec"]["replicas"] = json!(scale["spec"]["replicas"].as_i64().unwrap_or_default());
        for field in ["uid", "resourceVersion"] {
            set_meta(&mut owner, field, scale["metadata"][field].clone());
        }
        Ok(scale_of(&*self.replace(write, live, owner)?))
    }
}

fn check(write: &Write, scale: &Value) -> Result<(), ApiError> {
    if meta(scale, "name") != write.key.name {
        let given = meta(scale, "name");
        let message = format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            write.key.name
        );
        return Err(ApiError::bad_request(message));
    }
    let replicas = &scale["spec"]["replicas"];
    let Some(wanted) = (if replicas.is_null() { Some(0) } else { replicas.as_i64() }) else {
        return Err(ApiError::bad_request(format!("spec.replicas: {replicas} is no whole number")));
    };
    if wanted < 0 {
        let why = format!("Invalid value: {wanted}: must be greater than or equal to 0");
        let cause = ("spec.replicas".to_owned(), why);
        return Err(ApiError::invalid(("autoscaling", "Scale"), &write.key.name, &[cause]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::selector_text;

    #[test]
    fn a_selector_is_spelled_by_the_order_of_its_keys() {
        let selector = json!({
            "matchLabels": { "tier": "db", "app": "a" },
            "matchExpressions": [
                { "key": "zone", "operator": "In", "values": ["w", "e"] },
                { "key": "old", "operator": "DoesNotExist" },
                { "key": "run", "operator": "NotIn", "values": ["1"] },
                { "key": "new", "operator": "Exists" },
            ],
        });
        assert_eq!(selector_text(&selector), "app=a,new,!old,run notin (1),tier=db,zone in (e,w)");
        assert_eq!(selector_text(&json!({})), "");
    }
}
