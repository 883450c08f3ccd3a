//! Which nodes a pod names: by its node selector, and by the node affinity that it insists on.

use serde_json::Value;

use crate::apiserver::object::{items, meta, strings};

/// Whether a node is one of those that a pod names; one that names none names all. What a pod would merely prefer is not
/// looked at.
pub(super) fn names_node(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selector = pod["spec"]["nodeSelector"].as_object();
    let is_selected = selector.into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    is_selected
        && (required.is_null() || items(&required["nodeSelectorTerms"]).iter().any(|term| is_met(term, node)))
}

/// All that a term says must be true; one that says nothing is met by no node.
fn is_met(term: &Value, node: &Value) -> bool {
    let (expressions, fields) = (items(&term["matchExpressions"]), items(&term["matchFields"]));
    let label = |key: &str| node["metadata"]["labels"][key].as_str();
    let field = |key: &str| (key == "metadata.name").then(|| meta(node, "name"));
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|one| holds(one, label(key_of(one))))
        && fields.iter().all(|one| holds(one, field(key_of(one))))
}

fn key_of(requirement: &Value) -> &str {
    requirement["key"].as_str().unwrap_or_default()
}

fn holds(requirement: &Value, found: Option<&str>) -> bool {
    let values = strings(&requirement["values"]);
    let is_named = found.is_some_and(|found| values.iter().any(|value| value == found));
    let compared = || {
        let limit: i64 = values.first()?.parse().ok()?;
        Some(found?.parse::<i64>().ok()?.cmp(&limit))
    };
    match requirement["operator"].as_str() {
        Some("In") => is_named,
        Some("NotIn") => !is_named,
        Some("Exists") => found.is_some(),
        Some("DoesNotExist") => found.is_none(),
        Some("Gt") => compared().is_some_and(std::cmp::Ordering::is_gt),
        Some("Lt") => compared().is_some_and(std::cmp::Ordering::is_lt),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_named_by(terms: &Value) -> bool {
        let node = json!({ "metadata": { "name": "node-a", "labels": { "zone": "west", "cores": "8" } } });
        let required =
            json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } });
        names_node(&json!({ "spec": { "affinity": { "nodeAffinity": required } } }), &node)
    }

    fn one(key: &str, operator: &str, values: &[&str]) -> Value {
        json!({ "key": key, "operator": operator, "values": values })
    }

    #[test]
    fn each_operator_says_what_it_says() {
        for (key, operator, values, holds) in [
            ("zone", "In", &["east", "west"][..], true),
            ("zone", "In", &["east"], false),
            ("disk", "In", &[""], false),
            ("zone", "NotIn", &["east"], true),
            ("zone", "NotIn", &["west"], false),
            ("disk", "NotIn", &["slow"], true),
            ("zone", "Exists", &[], true),
            ("disk", "Exists", &[], false),
            ("disk", "DoesNotExist", &[], true),
            ("zone", "DoesNotExist", &[], false),
            ("cores", "Gt", &["7"], true),
            ("cores", "Gt", &["8"], false),
            ("cores", "Lt", &["9"], true),
            ("zone", "Lt", &["9"], false),
            ("disk", "Lt", &["9"], false),
            ("zone", "Like", &["w"], false),
        ] {
            let terms = json!([{ "matchExpressions": [one(key, operator, values)] }]);
            assert_eq!(is_named_by(&terms), holds, "{key} {operator} {values:?}");
        }
    }

    #[test]
    fn one_term_is_enough_and_all_of_it_must_be_met() {
        let (west, east) = (one("zone", "In", &["west"]), one("zone", "In", &["east"]));
        assert!(!is_named_by(&json!([{ "matchExpressions": [west, east] }])));
        assert!(is_named_by(&json!([{ "matchExpressions": [east] }, { "matchExpressions": [west] }])));
        let name = |name: &str| one("metadata.name", "In", &[name]);
        assert!(is_named_by(&json!([{ "matchFields": [name("node-a")], "matchExpressions": [west] }])));
        assert!(!is_named_by(&json!([{ "matchFields": [name("node-b")] }])));
        assert!(!is_named_by(&json!([{}])), "an empty term is met by nothing");
        assert!(!is_named_by(&json!([])));
    }
}
