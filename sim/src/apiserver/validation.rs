//! What built-in kinds insist on, beyond being of their type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{definition, object::items, selector::matches_label_selector};

/// A field, and what is wrong with it.
type Cause = (String, String);

/// What is wrong with a new object.
pub(super) fn of_new(kind: &str, object: &Value) -> Vec<Cause> {
    match kind {
        "Pod" => pod_spec("spec", &object["spec"]),
        "Job" => job(&object["spec"]["template"]["spec"]),
        "Deployment" | "ReplicaSet" | "StatefulSet" => owner_of_pods(&object["spec"]),
        "CustomResourceDefinition" => definition::causes(object),
        _ => Vec::new(),
    }
}

/// What is wrong with a change.
pub(super) fn of_change(kind: &str, live: &Value, object: &Value) -> Vec<Cause> {
    match kind {
        "Deployment" | "ReplicaSet" if live["spec"]["selector"] != object["spec"]["selector"] => {
            vec![cause("spec.selector", "Invalid value: field is immutable")]
        }
        "StatefulSet" => settled_parts_of_a_stateful_set(&live["spec"], &object["spec"]),
        "ConfigMap" | "Secret" if live["immutable"] == true => immutable(live, object),
        _ => Vec::new(),
    }
}

fn cause(field: &str, why: &str) -> Cause {
    (field.to_owned(), why.to_owned())
}

fn pod_spec(path: &str, spec: &Value) -> Vec<Cause> {
    let containers = items(&spec["containers"]);
    let mut causes = Vec::new();
    if containers.is_empty() {
        causes.push(cause(&format!("{path}.containers"), "Required value"));
    }
    let volumes: BTreeSet<&str> =
        items(&spec["volumes"]).iter().filter_map(|volume| volume["name"].as_str()).collect();
    let mut names = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{index}]");
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(cause(&format!("{path}.name"), "Required value"));
        } else if !names.insert(name) {
            causes.push(cause(&format!("{path}.name"), &format!("Duplicate value: \"{name}\"")));
        }
        for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
            let volume = mount["name"].as_str().unwrap_or_default();
            if !volumes.contains(volume) {
                let field = format!("{path}.volumeMounts[{index}].name");
                causes.push(cause(&field, &format!("Not found: \"{volume}\"")));
            }
        }
    }
    causes
}

fn job(template: &Value) -> Vec<Cause> {
    let mut causes = pod_spec("spec.template.spec", template);
    if !matches!(template["restartPolicy"].as_str(), Some("OnFailure" | "Never")) {
        let policy = template["restartPolicy"].as_str().unwrap_or_default();
        let why = format!("Unsupported value: \"{policy}\": supported values: \"OnFailure\", \"Never\"");
        causes.push(cause("spec.template.spec.restartPolicy", &why));
    }
    causes
}

fn owner_of_pods(spec: &Value) -> Vec<Cause> {
    let template = &spec["template"];
    let mut causes = pod_spec("spec.template.spec", &template["spec"]);
    if !matches_label_selector(&spec["selector"], &template["metadata"]["labels"]) {
        let why = "Invalid value: `selector` does not match template `labels`";
        causes.push(cause("spec.template.metadata.labels", why));
    }
    let policy = template["spec"]["restartPolicy"].as_str().unwrap_or_default();
    if policy != "Always" {
        let why = format!("Unsupported value: \"{policy}\": supported values: \"Always\"");
        causes.push(cause("spec.template.spec.restartPolicy", &why));
    }
    causes
}

fn settled_parts_of_a_stateful_set(live: &Value, spec: &Value) -> Vec<Cause> {
    let settled = ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"];
    if settled.iter().all(|field| live[*field] == spec[*field]) {
        return Vec::new();
    }
    let why = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
               'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
               'minReadySeconds' are forbidden";
    vec![cause("spec", why)]
}

fn immutable(live: &Value, object: &Value) -> Vec<Cause> {
    let fields = ["immutable", "data", "binaryData", "type"];
    let changed = fields.into_iter().filter(|field| live[*field] != object[*field]);
    changed.map(|field| cause(field, "Forbidden: field is immutable when `immutable` is set")).collect()
}
