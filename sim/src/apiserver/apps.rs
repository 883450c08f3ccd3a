//! What the server makes of a Deployment, a ReplicaSet and a StatefulSet: their defaults.

use serde_json::{Map, Value, json};

use super::{
    admission::{default_to, pod_spec},
    object::child,
};

/// Fills in what a new object of `apps/v1` leaves out.
pub(super) fn default(kind: &str, object: &mut Value) {
    let spec = child(object, "spec");
    default_to(spec, "replicas", json!(1));
    match kind {
        "Deployment" => deployment(spec),
        "StatefulSet" => stateful_set(spec),
        _ => {}
    }
    let mut template = spec.remove("template").unwrap_or(Value::Null);
    pod_spec(child(&mut template, "spec"));
    spec.insert("template".to_owned(), template);
    object["status"] = json!({});
}

fn deployment(spec: &mut Map<String, Value>) {
    default_to(spec, "progressDeadlineSeconds", json!(600));
    default_to(spec, "revisionHistoryLimit", json!(10));
    let rolling = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
    default_to(spec, "strategy", json!({ "type": "RollingUpdate", "rollingUpdate": rolling }));
}

fn stateful_set(spec: &mut Map<String, Value>) {
    default_to(spec, "podManagementPolicy", json!("OrderedReady"));
    default_to(spec, "revisionHistoryLimit", json!(10));
    let rolling = json!({ "partition": 0 });
    default_to(spec, "updateStrategy", json!({ "type": "RollingUpdate", "rollingUpdate": rolling }));
}
