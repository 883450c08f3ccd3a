use serde::{Deserialize, Serialize};

/// How a user writes what they ask for, and what else is in their pod: all of it asks for the same migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wording {
    /// What says where to: the name of a node, or labels that it shares with the source's.
    pub target: TargetBy,
    /// Whether the pod has a second container, before the one that is moved: then the spec has to name that one.
    pub sidecar: bool,
    /// Whether the spec says the queue's bindings, and the broker cannot be asked for them.
    pub bindings: bool,
}

/// What says where to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetBy {
    /// `target.nodeName`.
    #[default]
    Name,
    /// `target.nodeSelector`.
    Labels,
}

impl Wording {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Workload;

    #[test]
    fn only_what_is_not_usual_is_saved_and_what_is_left_out_is_usual() {
        let saved = |wording| serde_json::to_value(Workload { wording, ..Workload::default() }).unwrap();
        assert_eq!(saved(Wording::default()).get("wording"), None);
        let by_labels = Wording { target: TargetBy::Labels, ..Wording::default() };
        assert_eq!(saved(by_labels)["wording"]["target"], "labels");
        assert_eq!(serde_json::from_str::<Wording>(r#"{"target":"labels"}"#).unwrap(), by_labels);
    }
}
