//! Whose pod it is that has the shadow's name already. Who moved `counter` and made a new `counter` since has the workload in
//! `counter-shadow`: its memory is nowhere else, and nobody is to be told to delete that.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use crate::{
    api::{ANNOTATION_MIGRATION_NAME, LABEL_MIGRATION_UID, reason},
    kubernetes::shadow_pod::ANNOTATION_LABELS,
    protocol::Finding,
};

/// What is to be done about the pod with the shadow's name, where it is not this migration's own.
pub(super) fn taken(pod: &Pod, migration_uid: &str) -> Option<Finding> {
    if pod.labels().get(LABEL_MIGRATION_UID).is_some_and(|uid| uid == migration_uid) {
        return None;
    }
    let name = pod.name_any();
    let message = match mover(pod) {
        Some(mover) if !has_ended(pod) => format!(
            "pod {name}, which has the name of the shadow, belongs to {mover} and may be the only one that has the workload's \
             memory: do not delete it; write spec.sourcePod: {name} to move it, or create the source under another name"
        ),
        _ => format!(
            "there is a pod {name} already, which is the name of the shadow: delete it, or give the source another name"
        ),
    };
    Some(Finding { reason: reason::SHADOW_NAME_TAKEN, message })
}

/// The migration that has, or had, this pod. A pod that was moved keeps its marks, and one that was moved, and whose next
/// migration was rolled back, the labels that it once waited for.
fn mover(pod: &Pod) -> Option<String> {
    let annotations = pod.annotations();
    let by_name = annotations.get(ANNOTATION_MIGRATION_NAME).map(|name| format!("migration {name}"));
    let is_marked =
        pod.labels().contains_key(LABEL_MIGRATION_UID) || annotations.contains_key(ANNOTATION_LABELS);
    by_name.or_else(|| is_marked.then(|| "an earlier migration".to_owned()))
}

/// Whether nothing of it runs, nor will: there is no memory left to lose.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(labels: &Value, annotations: &Value, phase: &str) -> Option<String> {
        let pod = json!({
            "metadata": {"name": "counter-shadow", "labels": labels, "annotations": annotations},
            "status": {"phase": phase},
        });
        let finding = taken(&serde_json::from_value(pod).unwrap(), "m-1")?;
        assert_eq!(finding.reason, reason::SHADOW_NAME_TAKEN);
        Some(finding.message)
    }

    #[test]
    fn a_strangers_pod_is_to_go_or_to_be_avoided() {
        let told = "there is a pod counter-shadow already, which is the name of the shadow: delete it, or give the source \
                    another name";
        assert_eq!(said(&json!({"app": "counter"}), &json!({}), "Running").as_deref(), Some(told));
    }

    #[test]
    fn nobody_is_told_to_delete_a_pod_that_was_moved() {
        let move_it = "do not delete it; write spec.sourcePod: counter-shadow to move it, or create the source under \
                       another name";
        let label = json!({LABEL_MIGRATION_UID: "m-0"});
        let name = json!({ANNOTATION_MIGRATION_NAME: "move"});
        let waited = json!({ANNOTATION_LABELS: "{}"});
        let none = json!({});
        let marks = [
            (&label, &name, "belongs to migration move and"),
            (&none, &name, "belongs to migration move and"),
            (&label, &none, "belongs to an earlier migration and"),
            (&none, &waited, "belongs to an earlier migration and"),
        ];
        for (labels, annotations, whose) in marks {
            let message = said(labels, annotations, "Running").unwrap();
            assert!(message.contains(whose) && message.ends_with(move_it), "{message}");
        }
    }

    #[test]
    fn one_that_was_moved_and_has_ended_has_nothing_to_lose() {
        let name = json!({ANNOTATION_MIGRATION_NAME: "move"});
        for phase in ["Failed", "Succeeded"] {
            let message = said(&json!({}), &name, phase).unwrap();
            assert!(message.contains("delete it, or give the source another name"), "{message}");
        }
    }

    #[test]
    fn the_migrations_own_shadow_has_its_name_by_right() {
        assert_eq!(said(&json!({LABEL_MIGRATION_UID: "m-1"}), &json!({}), "Running"), None);
    }
}
