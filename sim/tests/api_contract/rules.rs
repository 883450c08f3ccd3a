//! CEL rules of custom resources. A server before Kubernetes 1.25 does not know them, and drops them from a definition: of
//! such a one nothing is asked here.

use std::io::Write as _;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    custom::{Widgets, definition},
    rig::Rig,
};

fn schema(own: Value, of_spec: Value) -> Value {
    json!({"type": "object", "x-kubernetes-validations": own, "properties": {
        "spec": {
            "type": "object", "x-kubernetes-validations": of_spec,
            "properties": {
                "least": {"type": "integer"},
                "most": {"type": "integer", "default": 10},
                "settled": {
                    "type": "integer",
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "it is settled"}],
                },
            },
        },
        "status": {"type": "object", "properties": {"done": {"type": "integer"}}},
    }})
}

fn ordered() -> Value {
    let ordered = json!([{"rule": "!has(self.least) || self.least <= self.most", "message": "least is more than most"}]);
    schema(json!([]), ordered)
}

/// Widgets with rules; none where the server has none.
async fn ruled(rig: &Rig, schema: Value) -> Option<Widgets<'_>> {
    let widgets = Widgets::with_schema(rig, schema).await;
    let definition = rig.get(&widgets.definition()).await.object();
    let has_rules = definition.to_string().contains("x-kubernetes-validations");
    if !has_rules {
        // Past the harness, which swallows what a passing test prints.
        let _ = writeln!(std::io::stderr(), "nothing asked: this server has no rules");
    }
    has_rules.then_some(widgets)
}

pub(super) async fn a_rule_is_held_against_a_new_object(rig: &Rig) {
    let Some(widgets) = ruled(rig, ordered()).await else { return };
    widgets.create("fits", json!({"least": 1, "most": 2})).await;
    let refused = rig.post(&widgets.all(), widgets.widget("bad", json!({"least": 3, "most": 2}))).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!(cause["field"], "spec");
    assert_eq!(cause["message"], "Invalid value: \"object\": least is more than most");
}

pub(super) async fn a_rule_sees_what_a_default_filled_in(rig: &Rig) {
    let Some(widgets) = ruled(rig, ordered()).await else { return };
    widgets.create("fits", json!({"least": 10})).await;
    widgets.refuses(json!({"least": 11}), "spec").await;
}

pub(super) async fn a_rule_is_held_against_every_way_to_change_an_object(rig: &Rig) {
    let Some(widgets) = ruled(rig, ordered()).await else { return };
    let mut live = widgets.create("w", json!({"least": 1})).await;
    let refused = rig.merge(&widgets.one("w"), json!({"spec": {"most": 0}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let forced = format!("{}?force=true", widgets.one("w"));
    let refused = rig.apply(&forced, "one", widgets.widget("w", json!({"least": 11}))).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    live["spec"]["least"] = json!(11);
    rig.put(&widgets.one("w"), live).await.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(rig.get(&widgets.one("w")).await.object()["spec"], json!({"least": 1, "most": 10}));
}

pub(super) async fn a_rule_about_a_change_is_about_changes_only(rig: &Rig) {
    let Some(widgets) = ruled(rig, ordered()).await else { return };
    widgets.create("w", json!({"settled": 1})).await;
    rig.merge(&widgets.one("w"), json!({"spec": {"settled": 1, "least": 2}})).await.object();
    let refused = rig.merge(&widgets.one("w"), json!({"spec": {"settled": 2}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.settled");
    // What was not there has no value that it could have had before.
    rig.merge(&widgets.one("w"), json!({"spec": {"settled": null}})).await.object();
    rig.merge(&widgets.one("w"), json!({"spec": {"settled": 2}})).await.object();
}

pub(super) async fn a_rule_of_the_whole_object_is_held_against_its_status_too(rig: &Rig) {
    let own = json!([{"rule": "!has(self.status) || self.status.done <= self.spec.most"}]);
    let Some(widgets) = ruled(rig, schema(own, json!([]))).await else { return };
    widgets.create("w", json!({"most": 3})).await;
    rig.merge(&widgets.status("w"), json!({"status": {"done": 3}})).await.object();
    let refused = rig.merge(&widgets.status("w"), json!({"status": {"done": 4}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let said = refused.body["message"].as_str().expect("a message");
    assert!(said.contains("failed rule: !has(self.status) || self.status.done <= self.spec.most"), "{said}");
}

pub(super) async fn a_rule_that_cannot_be_read_is_refused_with_its_definition(rig: &Rig) {
    if ruled(rig, ordered()).await.is_none() {
        return;
    }
    let group = format!("other.{}.example.org", rig.namespace);
    let broken = schema(json!([]), json!([{"rule": "self.least <="}]));
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let refused = rig.post(path, definition(&group, broken)).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let field = refused.body["details"]["causes"][0]["field"].as_str().expect("a field");
    assert!(field.ends_with("properties[spec].x-kubernetes-validations[0].rule"), "{field}");
}
