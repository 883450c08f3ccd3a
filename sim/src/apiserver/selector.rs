use serde_json::Value;

use super::{
    error::ApiError,
    object::{items, strings},
    resource::Resource,
};

/// Which objects of a list or a watch a client wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<LabelTerm>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq)]
enum LabelTerm {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
struct FieldTerm {
    path: Vec<String>,
    equal: bool,
    value: String,
}

/// Fields that can be selected besides a name and a namespace, by kind.
const SELECTABLE: &[(&str, &[&str])] = &[
    (
        "Pod",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
    ),
    (
        "Event",
        &[
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.uid",
            "reason",
            "type",
        ],
    ),
    ("Job", &["status.successful"]),
    ("Namespace", &["status.phase"]),
    ("Node", &["spec.unschedulable"]),
    ("Secret", &["type"]),
];

impl Selector {
    /// Reads the query parameters `labelSelector` and `fieldSelector`.
    pub(super) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, ApiError> {
        let labels = split_terms(labels).map(label_term).collect::<Result<_, _>>()?;
        let fields = split_terms(fields).map(|term| field_term(resource, term)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether it leaves nothing out.
    pub(super) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|term| term.matches(labels))
            && self.fields.iter().all(|term| term.matches(object))
    }
}

impl LabelTerm {
    fn matches(&self, labels: &Value) -> bool {
        let value = |key: &String| labels.get(key).and_then(Value::as_str);
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::In(key, wanted) => value(key).is_some_and(|value| wanted.iter().any(|one| one == value)),
            Self::NotIn(key, refused) => {
                value(key).is_none_or(|value| refused.iter().all(|one| one != value))
            }
        }
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.iter().fold(object, |value, field| &value[field.as_str()]);
        let text = match found {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        (text == self.value) == self.equal
    }
}

/// Whether labels are those that an owner's `LabelSelector` asks for; a selector that asks for nothing owns nothing.
pub(super) fn matches_label_selector(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object();
    let terms = items(&selector["matchExpressions"]);
    if equal.is_none_or(serde_json::Map::is_empty) && terms.is_empty() {
        return false;
    }
    let is_met = |term: &Value| {
        let key = term["key"].as_str().unwrap_or_default().to_owned();
        match term["operator"].as_str() {
            Some("In") => LabelTerm::In(key, strings(&term["values"])).matches(labels),
            Some("NotIn") => LabelTerm::NotIn(key, strings(&term["values"])).matches(labels),
            Some("Exists") => LabelTerm::Exists(key).matches(labels),
            Some("DoesNotExist") => LabelTerm::Absent(key).matches(labels),
            _ => false,
        }
    };
    equal.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value)) && terms.iter().all(is_met)
}

/// Splits at the commas that are not inside parentheses.
fn split_terms(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    selector
        .split(move |letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
}

fn label_term(term: &str) -> Result<LabelTerm, ApiError> {
    let read = read_label_term(term)?;
    let (LabelTerm::Exists(key) | LabelTerm::Absent(key) | LabelTerm::In(key, _) | LabelTerm::NotIn(key, _)) =
        &read;
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if key.is_empty() || !key.chars().all(is_key) {
        return Err(ApiError::bad_request(format!("unable to parse requirement: {term}")));
    }
    Ok(read)
}

fn read_label_term(term: &str) -> Result<LabelTerm, ApiError> {
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(LabelTerm::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(LabelTerm::In(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((head, values)) = term.split_once('(') {
        let values = values.trim_end().trim_end_matches(')');
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(LabelTerm::In(key.to_owned(), values)),
            (Some(key), Some("notin"), None) => Ok(LabelTerm::NotIn(key.to_owned(), values)),
            _ => Err(ApiError::bad_request(format!("unable to parse requirement: {term}"))),
        };
    }
    if term.contains(char::is_whitespace) {
        return Err(ApiError::bad_request(format!("unable to parse requirement: {term}")));
    }
    Ok(match term.strip_prefix('!') {
        Some(key) => LabelTerm::Absent(key.to_owned()),
        None => LabelTerm::Exists(term.to_owned()),
    })
}

fn field_term(resource: &Resource, term: &str) -> Result<FieldTerm, ApiError> {
    let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
        (path, false, value)
    } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (path, true, value)
    } else {
        return Err(ApiError::bad_request(format!("invalid field selector: {term}")));
    };
    let path = path.trim();
    let known = path == "metadata.name"
        || (resource.namespaced && path == "metadata.namespace")
        || SELECTABLE.iter().any(|(kind, paths)| *kind == resource.kind && paths.contains(&path));
    if !known {
        return Err(ApiError::bad_request(format!("field label not supported: {path}")));
    }
    Ok(FieldTerm {
        path: path.split('.').map(str::to_owned).collect(),
        equal,
        value: value.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apiserver::resource::Catalogue;

    fn selects(labels: &str, fields: &str) -> bool {
        let catalogue = Catalogue::new(true);
        let pods = catalogue.get("", "pods").unwrap();
        let pod = json!({
            "metadata": { "name": "orders-0", "namespace": "shop", "labels": { "app": "orders", "tier": "db" } },
            "spec": { "nodeName": "node-a" },
            "status": { "phase": "Running" },
        });
        Selector::parse(pods, labels, fields).unwrap().matches(&pod)
    }

    #[test]
    fn label_selectors_know_equality_sets_and_existence() {
        assert!(selects("app=orders,tier==db", ""));
        assert!(!selects("app=orders,tier!=db", ""));
        assert!(selects("app in (orders, carts),!zone", ""));
        assert!(selects("app notin (carts),tier", ""));
        assert!(!selects("app in (carts)", ""));
        assert!(!selects("zone", ""));
        assert!(selects("zone!=west", ""));
    }

    #[test]
    fn field_selectors_compare_the_fields_that_the_kind_offers() {
        assert!(selects("", "spec.nodeName=node-a,status.phase!=Pending"));
        assert!(!selects("", "metadata.name=orders-1"));
    }

    #[test]
    fn an_unknown_field_or_a_malformed_term_is_a_bad_request() {
        let catalogue = Catalogue::new(true);
        let pods = catalogue.get("", "pods").unwrap();
        for (labels, fields) in
            [("", "spec.hostname=x"), ("a b", ""), ("a like (b)", ""), ("", "spec.nodeName")]
        {
            let refused = Selector::parse(pods, labels, fields).unwrap_err();
            assert_eq!(refused.code, 400, "{labels} {fields}");
        }
    }
}
