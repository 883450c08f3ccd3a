//! Custom resources: definition, schema, defaults, pruning.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::{Rig, names};

/// A kind that nobody else uses: `Widget`, with a status subresource.
pub(super) struct Widgets<'a> {
    rig: &'a Rig,
    group: String,
}

impl<'a> Widgets<'a> {
    pub(super) async fn define(rig: &'a Rig) -> Self {
        Self::with_schema(rig, schema()).await
    }

    pub(super) async fn with_schema(rig: &'a Rig, schema: Value) -> Self {
        let widgets = Self { rig, group: format!("{}.example.org", rig.namespace) };
        let definition = definition(&widgets.group, schema);
        rig.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await.object();
        rig.eventually(&widgets.all(), |answer| answer.code == 200).await;
        widgets
    }

    pub(super) fn all(&self) -> String {
        self.rig.in_group(&format!("{}/v1", self.group), "widgets")
    }

    pub(super) fn one(&self, name: &str) -> String {
        format!("{}/{name}", self.all())
    }

    pub(super) fn status(&self, name: &str) -> String {
        format!("{}/{name}/status", self.all())
    }

    pub(super) fn definition(&self) -> String {
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{}", self.group)
    }

    pub(super) fn widget(&self, name: &str, spec: Value) -> Value {
        let version = format!("{}/v1", self.group);
        json!({"apiVersion": version, "kind": "Widget", "metadata": {"name": name}, "spec": spec})
    }

    pub(super) async fn create(&self, name: &str, spec: Value) -> Value {
        self.rig.post(&self.all(), self.widget(name, spec)).await.object()
    }

    /// Checks that a widget with this spec is invalid, and which field is.
    pub(super) async fn refuses(&self, spec: Value, field: &str) {
        let refused = self.rig.post(&self.all(), self.widget("bad", spec.clone())).await;
        refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
        let causes = refused.body["details"]["causes"].as_array().cloned().unwrap_or_default();
        assert!(causes.iter().any(|cause| cause["field"] == field), "{spec}: {causes:?}");
    }
}

/// The definition of `Widget`.
pub(super) fn definition(group: &str, schema: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "spec": {
            "type": "object", "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 100},
                "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "label": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
                "parts": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                "options": {"type": "object", "default": {}, "properties": {
                    "deep": {"type": "boolean", "default": true},
                }},
                "maybe": {"type": "string", "nullable": true},
                "notes": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        },
        "status": {"type": "object", "properties": {"done": {"type": "boolean"}}},
    }})
}

pub(super) async fn a_definition_is_established_and_says_its_names(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let definition = rig.get(&widgets.definition()).await.object();
    let conditions = definition["status"]["conditions"].as_array().expect("conditions");
    for wanted in ["Established", "NamesAccepted"] {
        assert!(
            conditions.iter().any(|one| one["type"] == wanted && one["status"] == "True"),
            "{conditions:?}"
        );
    }
    assert_eq!(definition["status"]["acceptedNames"]["kind"], "Widget");
}

pub(super) async fn a_definition_without_a_schema_is_invalid(rig: &Rig) {
    let group = format!("{}.example.org", rig.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        },
    });
    let refused = rig.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_definition_is_named_after_plural_and_group(rig: &Rig) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "others.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    });
    let refused = rig.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "metadata.name");
}

pub(super) async fn defaults_are_filled_in_where_the_parent_is_there(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let created = widgets.create("w", json!({"size": 1})).await;
    assert_eq!(created["spec"], json!({"size": 1, "colour": "red", "options": {"deep": true}}));
    assert_eq!(rig.get(&widgets.one("w")).await.object()["spec"], created["spec"]);
}

pub(super) async fn a_null_gets_the_default_unless_it_is_allowed(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let created = widgets.create("w", json!({"size": 1, "colour": null, "maybe": null})).await;
    assert_eq!(
        (&created["spec"]["colour"], created["spec"].get("maybe")),
        (&json!("red"), Some(&Value::Null))
    );
}

pub(super) async fn what_the_schema_does_not_know_is_pruned(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let spec = json!({"size": 1, "unknown": 1, "options": {"odd": 1}});
    let mut widget = widgets.widget("w", spec);
    widget["extra"] = json!(1);
    let created = rig.post(&widgets.all(), widget).await.object();
    assert_eq!((created.get("extra"), created["spec"].get("unknown")), (None, None));
    assert_eq!(created["spec"]["options"], json!({"deep": true}));
}

pub(super) async fn unknown_fields_stay_where_the_schema_says_so(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let spec = json!({"size": 1, "free": {"any": {"thing": [1, null]}}, "notes": {"a": "b"}});
    let created = widgets.create("w", spec.clone()).await;
    assert_eq!((&created["spec"]["free"], &created["spec"]["notes"]), (&spec["free"], &spec["notes"]));
}

pub(super) async fn what_is_required_must_be_there(rig: &Rig) {
    Widgets::define(rig).await.refuses(json!({"colour": "red"}), "spec.size").await;
}

pub(super) async fn types_are_checked(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.refuses(json!({"size": "1"}), "spec.size").await;
    widgets.refuses(json!({"size": 1, "parts": "a"}), "spec.parts").await;
    widgets.refuses(json!({"size": 1, "notes": {"a": 1}}), "spec.notes.a").await;
    widgets.refuses(json!({"size": 1.5}), "spec.size").await;
}

pub(super) async fn an_enum_names_what_is_supported(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.refuses(json!({"size": 1, "colour": "green"}), "spec.colour").await;
}

pub(super) async fn numbers_stay_in_their_range(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.refuses(json!({"size": 0}), "spec.size").await;
    widgets.refuses(json!({"size": 101}), "spec.size").await;
    widgets.create("least", json!({"size": 1})).await;
    widgets.create("most", json!({"size": 100})).await;
}

pub(super) async fn texts_and_lists_stay_in_their_length_and_pattern(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.refuses(json!({"size": 1, "label": "a"}), "spec.label").await;
    widgets.refuses(json!({"size": 1, "label": "abcde"}), "spec.label").await;
    widgets.refuses(json!({"size": 1, "label": "ab1"}), "spec.label").await;
    widgets.refuses(json!({"size": 1, "parts": ["a", "b", "c"]}), "spec.parts").await;
    widgets.create("fits", json!({"size": 1, "label": "abcd", "parts": ["a", "b"]})).await;
}

pub(super) async fn a_patch_is_checked_like_a_new_object(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let refused = rig.merge(&widgets.one("w"), json!({"spec": {"size": 0}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let refused = rig.merge(&widgets.status("w"), json!({"status": {"done": "yes"}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn an_apply_is_checked_like_a_new_object(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let refused = rig.apply(&widgets.one("w"), "one", widgets.widget("w", json!({"size": 0}))).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let applied = rig.apply(&widgets.one("w"), "one", widgets.widget("w", json!({"size": 1}))).await.object();
    assert_eq!(applied["spec"]["colour"], "red");
}

pub(super) async fn a_version_that_is_not_served_is_not_found(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let path = rig.in_group(&format!("{}.example.org/v2", rig.namespace), "widgets");
    assert_eq!(rig.get(&path).await.code, 404);
    let mut widget = widgets.widget("w", json!({"size": 1}));
    widget["apiVersion"] = json!(format!("{}.example.org/v2", rig.namespace));
    rig.post(&widgets.all(), widget).await.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_definition_takes_its_objects_along(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    rig.delete(&widgets.definition(), json!({})).await.object();
    rig.eventually(&widgets.definition(), |answer| answer.code == 404).await;
    rig.eventually(&widgets.all(), |answer| answer.code == 404).await;
}

pub(super) async fn discovery_knows_a_defined_kind(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let path = format!("/apis/{}.example.org/v1", rig.namespace);
    let found = |body: &Value| -> Vec<String> {
        let resources = body["resources"].as_array().cloned().unwrap_or_default();
        resources.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
    };
    let answer = rig.eventually(&path, |answer| found(&answer.body).len() == 2).await;
    assert_eq!(found(&answer.body), ["widgets", "widgets/status"]);
    assert_eq!(names(&rig.get(&widgets.all()).await.object()), ["w"]);
}
