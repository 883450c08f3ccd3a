use std::{collections::BTreeMap, sync::Arc};

use kube::CustomResourceExt as _;
use ms2m::api::StatefulMigration;

use serde_json::{Value, json};

use super::{rules::Rules, subresource::Subresource};

/// One kind of object that the server knows, in its one served version.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    /// Whether `status` is written through the subresource only.
    pub(super) status: bool,
    /// Whether a custom resource definition brought it: then its lists are merged as its schema says.
    pub(super) custom: bool,
    /// `openAPIV3Schema` of a custom resource.
    pub(super) schema: Option<Value>,
    /// Its rules, where the server evaluates any.
    pub(super) rules: Option<Rules>,
}

impl Resource {
    /// `v1` or `group/version`, as objects spell it.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// How an error names its kind.
    pub(super) fn group_kind(&self) -> (&str, &str) {
        (&self.group, &self.kind)
    }

    /// What the discovery documents say about it.
    pub(super) fn discovery(&self) -> Vec<Value> {
        let entry = |name: String, verbs: &[&str]| {
            json!({
                "name": name,
                "singularName": if name.contains('/') { String::new() } else { self.kind.to_lowercase() },
                "namespaced": self.namespaced,
                "kind": self.kind,
                "verbs": verbs,
            })
        };
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let mut entries = vec![entry(self.plural.clone(), &verbs)];
        for subresource in Subresource::all_of(self) {
            let mut own = entry(format!("{}/{}", self.plural, subresource.name()), subresource.verbs());
            if let Some((group, version, kind)) = subresource.body() {
                own["kind"] = json!(kind);
                if group != self.group {
                    own["group"] = json!(group);
                    own["version"] = json!(version);
                }
            }
            entries.push(own);
        }
        entries
    }
}

/// All resources, by group and plural name.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    kinds: BTreeMap<(String, String), Arc<Resource>>,
    evaluates_rules: bool,
}

/// group, version, kind, plural, namespaced, status subresource
const BUILT_IN: &[(&str, &str, &str, &str, bool, bool)] = &[
    ("", "v1", "ConfigMap", "configmaps", true, false),
    ("", "v1", "Event", "events", true, false),
    ("", "v1", "Namespace", "namespaces", false, true),
    ("", "v1", "Node", "nodes", false, true),
    ("", "v1", "Pod", "pods", true, true),
    ("", "v1", "Secret", "secrets", true, false),
    ("", "v1", "Service", "services", true, true),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false, true),
    ("apps", "v1", "Deployment", "deployments", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, true),
    ("batch", "v1", "Job", "jobs", true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    ("events.k8s.io", "v1", "Event", "events", true, false),
];

impl Catalogue {
    /// The built-in kinds, and the operator's own, so that a scenario need not install its definition first.
    pub(super) fn new(evaluates_rules: bool) -> Self {
        let mut catalogue = Self { kinds: BTreeMap::new(), evaluates_rules };
        for &(group, version, kind, plural, namespaced, status) in BUILT_IN {
            catalogue.insert(Resource {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                namespaced,
                status,
                custom: false,
                schema: None,
                rules: None,
            });
        }
        let defined = catalogue.define(&json!(StatefulMigration::crd()));
        debug_assert_eq!(defined, Ok(()), "the operator's own definition");
        catalogue
    }

    pub(super) fn insert(&mut self, resource: Resource) {
        self.kinds.insert((resource.group.clone(), resource.plural.clone()), Arc::new(resource));
    }

    pub(super) fn get(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.kinds.get(&(group.to_owned(), plural.to_owned()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.kinds.values()
    }

    /// Finds a resource by the `apiVersion` and `kind` of one of its objects.
    pub(super) fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// Forgets a kind whose definition is gone.
    pub(super) fn undefine(&mut self, definition: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &definition["spec"];
        self.kinds.remove(&(text(&spec["group"]), text(&spec["names"]["plural"])));
    }

    /// Takes a `CustomResourceDefinition` in; the object's own version that is stored is the one served.
    pub(super) fn define(&mut self, definition: &Value) -> Result<(), String> {
        let spec = &definition["spec"];
        let text = |value: &Value, what: &str| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("{what} is required"))
        };
        let versions = spec["versions"].as_array().ok_or("spec.versions is required")?;
        let version = versions
            .iter()
            .find(|version| version["storage"] == true)
            .ok_or("spec.versions has no storage version")?;
        let schema = &version["schema"]["openAPIV3Schema"];
        let schema = schema.is_object().then(|| schema.clone());
        let rules = schema.as_ref().filter(|_| self.evaluates_rules).map(Rules::of);
        self.insert(Resource {
            group: text(&spec["group"], "spec.group")?,
            version: text(&version["name"], "spec.versions.name")?,
            kind: text(&spec["names"]["kind"], "spec.names.kind")?,
            plural: text(&spec["names"]["plural"], "spec.names.plural")?,
            namespaced: spec["scope"] != "Cluster",
            status: version["subresources"]["status"].is_object(),
            custom: true,
            schema,
            rules,
        });
        Ok(())
    }
}
