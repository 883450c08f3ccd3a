use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    resource::Resource,
    topology::{Shape, is_atomic_object, is_owned_itself, list_shape},
};

/// A set of fields of an object: what a manager owns, what a write changed.
///
/// Elements are spelled as in `fieldsV1`: `f:name` a field, `k:{"name":"app"}` a list item, `v:"x"` a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// Whether the element that leads here is itself in the set.
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

/// What one write did to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Fields that have another value now, or that are new.
    pub(super) changed: FieldSet,
    /// Fields that are gone.
    pub(super) removed: FieldSet,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// All fields that `value` sets.
    pub(super) fn of(resource: &Resource, value: &Value, path: &mut Vec<String>) -> Self {
        match value {
            Value::Object(fields) if !fields.is_empty() && !is_atomic_object(resource, path) => {
                let mut set = Self::default();
                for (name, child) in fields {
                    path.push(name.clone());
                    set.children.insert(format!("f:{name}"), Self::of(resource, child, path));
                    path.pop();
                }
                set
            }
            Value::Array(list) if !list.is_empty() => match list_shape(resource, path) {
                Shape::Atomic => Self::leaf(),
                Shape::Set => Self { member: false, children: value_elements(list) },
                Shape::Map(keys) => {
                    let mut set = Self::default();
                    for item in list {
                        let mut inner = Self::of(resource, item, path);
                        inner.member = true;
                        set.children.insert(key_element(&keys, item), inner);
                    }
                    set
                }
            },
            _ => Self::leaf(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Takes everything in `other` in.
    pub(super) fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, inner) in &other.children {
            self.children.entry(element.clone()).or_default().add(inner);
        }
    }

    /// Leaves out everything that `other` holds.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (element, inner) in &other.children {
            if let Some(own) = self.children.get_mut(element) {
                own.subtract(inner);
                if own.is_empty() {
                    self.children.remove(element);
                }
            }
        }
    }

    /// What both hold.
    pub(super) fn common(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (element, inner) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                let common = inner.common(theirs);
                if !common.is_empty() {
                    both.children.insert(element.clone(), common);
                }
            }
        }
        both
    }

    /// Forgets one element and all below it.
    pub(super) fn forget(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.children.remove(*first);
        } else if let Some(inner) = self.children.get_mut(*first) {
            inner.forget(rest);
            if inner.is_empty() {
                self.children.remove(*first);
            }
        }
    }

    /// Every path in the set, as an error message spells it: `.spec.containers[name="app"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (element, inner) in &self.children {
            inner.collect_paths(&format!("{prefix}{}", readable(element)), paths);
        }
    }

    pub(super) fn to_fields_v1(&self) -> Value {
        let mut fields = Map::new();
        for (element, inner) in &self.children {
            let mut below = inner.to_fields_v1();
            if inner.member && !inner.children.is_empty() {
                below["."] = json!({});
            }
            fields.insert(element.clone(), below);
        }
        Value::Object(fields)
    }

    pub(super) fn from_fields_v1(fields: &Value) -> Self {
        let mut set = Self::default();
        for (element, below) in fields.as_object().into_iter().flatten() {
            if element == "." {
                set.member = true;
                continue;
            }
            let mut inner = Self::from_fields_v1(below);
            inner.member |= below.as_object().is_none_or(Map::is_empty);
            set.children.insert(element.clone(), inner);
        }
        set
    }

    /// Takes the fields of this set out of `value`; what becomes empty by that goes too.
    pub(super) fn remove_from(&self, resource: &Resource, value: &mut Value, path: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (element, inner) in &self.children {
                    let Some(name) = element.strip_prefix("f:") else { continue };
                    if inner.member {
                        fields.remove(name);
                        continue;
                    }
                    let Some(child) = fields.get_mut(name) else { continue };
                    path.push(name.to_owned());
                    inner.remove_from(resource, child, path);
                    path.pop();
                    if is_empty_container(child) {
                        fields.remove(name);
                    }
                }
            }
            Value::Array(list) => match list_shape(resource, path) {
                Shape::Set => {
                    list.retain(|item| {
                        !self.children.get(&value_element(item)).is_some_and(|set| set.member)
                    });
                }
                Shape::Map(keys) => {
                    list.retain_mut(|item| match self.children.get(&key_element(&keys, item)) {
                        Some(set) if set.member => false,
                        Some(set) => {
                            set.remove_from(resource, item, path);
                            true
                        }
                        None => true,
                    });
                }
                Shape::Atomic => {}
            },
            _ => {}
        }
    }
}

impl Difference {
    /// Compares two versions of an object, or of a part of it.
    pub(super) fn between(resource: &Resource, old: &Value, new: &Value, path: &mut Vec<String>) -> Self {
        let mut difference = Self::default();
        match (old, new) {
            _ if old == new => {}
            (Value::Object(old), Value::Object(new)) if !is_atomic_object(resource, path) => {
                let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
                for name in names {
                    path.push(name.clone());
                    let (old, new) = (old.get(name), new.get(name));
                    difference.take(resource, format!("f:{name}"), old, new, path);
                    path.pop();
                }
            }
            (Value::Array(old), Value::Array(new)) => match list_shape(resource, path) {
                Shape::Atomic => difference.changed.member = true,
                Shape::Set => {
                    let (old, new) = (value_elements(old), value_elements(new));
                    difference.changed.children = new.clone();
                    difference.changed.children.retain(|element, _| !old.contains_key(element));
                    difference.removed.children = old;
                    difference.removed.children.retain(|element, _| !new.contains_key(element));
                }
                Shape::Map(keys) => {
                    let by_key = |list: &[Value]| -> BTreeMap<String, Value> {
                        list.iter().map(|item| (key_element(&keys, item), item.clone())).collect()
                    };
                    let (old, new) = (by_key(old), by_key(new));
                    let elements: std::collections::BTreeSet<&String> =
                        old.keys().chain(new.keys()).collect();
                    for element in elements {
                        let (old, new) = (old.get(element), new.get(element));
                        difference.take_item(resource, element, old, new, path);
                    }
                }
            },
            _ => difference.changed.member = true,
        }
        difference
    }

    fn take(
        &mut self,
        resource: &Resource,
        element: String,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<String>,
    ) {
        match (old, new) {
            (Some(old), Some(new)) => {
                let inner = Self::between(resource, old, new, path);
                if !inner.changed.is_empty() {
                    self.changed.children.insert(element.clone(), inner.changed);
                }
                if !inner.removed.is_empty() {
                    self.removed.children.insert(element, inner.removed);
                }
            }
            (None, Some(new)) => {
                let mut set = FieldSet::of(resource, new, path);
                set.member |= is_owned_itself(resource, path, new);
                self.changed.children.insert(element, set);
            }
            (Some(old), None) => {
                self.removed.children.insert(element, FieldSet::of(resource, old, path));
            }
            (None, None) => {}
        }
    }

    fn take_item(
        &mut self,
        resource: &Resource,
        element: &str,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<String>,
    ) {
        self.take(resource, element.to_owned(), old, new, path);
        // An item that came or went is itself a member, besides its fields.
        match (old, new) {
            (None, Some(_)) => self.changed.children.entry(element.to_owned()).or_default().member = true,
            (Some(_), None) => self.removed.children.entry(element.to_owned()).or_default().member = true,
            _ => {}
        }
    }
}

/// The element that names one item of a keyed list.
pub(super) fn key_element(keys: &[(String, Option<Value>)], item: &Value) -> String {
    let mut named = BTreeMap::new();
    for (key, default) in keys {
        if let Some(value) = item.get(key).or(default.as_ref()) {
            named.insert(key.clone(), value.clone());
        }
    }
    format!("k:{}", json!(named))
}

fn value_element(item: &Value) -> String {
    format!("v:{item}")
}

fn value_elements(list: &[Value]) -> BTreeMap<String, FieldSet> {
    list.iter().map(|item| (value_element(item), FieldSet::leaf())).collect()
}

fn is_empty_container(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn readable(element: &str) -> String {
    if let Some(name) = element.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(key) = element.strip_prefix("k:")
        && let Ok(Value::Object(key)) = serde_json::from_str(key)
    {
        let named: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
        return format!("[{}]", named.join(","));
    }
    format!("[{element}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::resource::Catalogue;

    fn set_of(value: &Value) -> FieldSet {
        FieldSet::of(Catalogue::new(true).get("", "pods").unwrap(), value, &mut Vec::new())
    }

    fn pod() -> Value {
        json!({
            "metadata": { "labels": { "app": "orders" }, "finalizers": ["ms2m/keep"] },
            "spec": {
                "containers": [{ "name": "app", "image": "orders:1", "args": ["serve", "--fast"] }],
                "nodeSelector": { "zone": "west" },
            },
        })
    }

    #[test]
    fn fields_are_written_the_way_kubernetes_writes_them() {
        assert_eq!(
            set_of(&pod()).to_fields_v1(),
            json!({
                "f:metadata": {
                    "f:finalizers": { "v:\"ms2m/keep\"": {} },
                    "f:labels": { "f:app": {} },
                },
                "f:spec": {
                    "f:containers": {
                        "k:{\"name\":\"app\"}": { ".": {}, "f:args": {}, "f:image": {}, "f:name": {} },
                    },
                    "f:nodeSelector": {},
                },
            })
        );
    }

    #[test]
    fn reading_fields_back_gives_the_same_set() {
        let set = set_of(&pod());
        assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()), set);
    }

    #[test]
    fn sets_are_added_subtracted_and_intersected_element_by_element() {
        let all = set_of(&pod());
        let part = set_of(&json!({ "spec": { "containers": [{ "name": "app", "image": "orders:2" }] } }));
        assert_eq!(
            all.common(&part).paths(),
            [
                ".spec.containers[name=\"app\"]",
                ".spec.containers[name=\"app\"].image",
                ".spec.containers[name=\"app\"].name",
            ]
        );
        let mut rest = all.clone();
        rest.subtract(&part);
        assert!(rest.common(&part).is_empty());
        rest.add(&part);
        assert_eq!(rest, all);
    }

    #[test]
    fn a_difference_names_changed_and_removed_fields_only() {
        let catalogue = Catalogue::new(true);
        let pods = catalogue.get("", "pods").unwrap();
        let mut new = pod();
        new["spec"]["containers"][0]["image"] = json!("orders:2");
        new["metadata"]["finalizers"] = json!(["ms2m/other"]);
        new["spec"]["nodeSelector"] = Value::Null;
        new["spec"].as_object_mut().unwrap().remove("nodeSelector");
        let difference = Difference::between(pods, &pod(), &new, &mut Vec::new());
        assert_eq!(
            difference.changed.paths(),
            [".metadata.finalizers[v:\"ms2m/other\"]", ".spec.containers[name=\"app\"].image"]
        );
        assert_eq!(
            difference.removed.paths(),
            [".metadata.finalizers[v:\"ms2m/keep\"]", ".spec.nodeSelector"]
        );
    }

    #[test]
    fn removing_a_set_takes_items_and_emptied_containers_out() {
        let catalogue = Catalogue::new(true);
        let pods = catalogue.get("", "pods").unwrap();
        let mut value = pod();
        let gone = set_of(&json!({
            "metadata": { "labels": { "app": "x" }, "finalizers": ["ms2m/keep"] },
            "spec": { "containers": [{ "name": "app" }] },
        }));
        gone.remove_from(pods, &mut value, &mut Vec::new());
        assert_eq!(value, json!({ "spec": { "nodeSelector": { "zone": "west" } } }));
    }
}
