//! The conditions in an object's status.

use serde_json::{Value, json};

use super::object::items;

/// Puts a condition into the status, in the place of one of the same type. What says the same already stays, and the time
/// of the last transition moves only with the status.
pub(super) fn set_condition(object: &mut Value, mut condition: Value) {
    let mut conditions = items(&object["status"]["conditions"]).to_vec();
    match conditions.iter_mut().find(|present| present["type"] == condition["type"]) {
        Some(present)
            if present["status"] == condition["status"]
                && present["reason"] == condition["reason"]
                && present["message"] == condition["message"] =>
        {
            return;
        }
        Some(present) => {
            if present["status"] == condition["status"] && present["lastTransitionTime"].is_string() {
                condition["lastTransitionTime"] = present["lastTransitionTime"].take();
            }
            *present = condition;
        }
        None => conditions.push(condition),
    }
    object["status"]["conditions"] = json!(conditions);
}

/// What the condition `Ready` of a pod or a node says: `True`, `False`, `Unknown`, or nothing.
pub(super) fn readiness(object: &Value) -> Option<&str> {
    let conditions = items(&object["status"]["conditions"]);
    conditions.iter().find(|condition| condition["type"] == "Ready")?["status"].as_str()
}

/// Whether a pod or a node says that it is ready.
pub(super) fn is_ready(object: &Value) -> bool {
    readiness(object) == Some("True")
}
