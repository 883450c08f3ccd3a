//! What the schema of a custom resource can ask for, beyond types and ranges.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    custom::{Widgets, definition},
    rig::Rig,
};

async fn widgets(rig: &Rig, properties: Value) -> Widgets<'_> {
    let spec = json!({"type": "object", "properties": properties});
    Widgets::with_schema(rig, json!({"type": "object", "properties": {"spec": spec}})).await
}

pub(super) async fn limits_may_be_excluded_and_numbers_multiples(rig: &Rig) {
    let open = json!({
        "type": "integer", "minimum": 1, "maximum": 9, "exclusiveMinimum": true, "exclusiveMaximum": true,
    });
    let widgets = widgets(rig, json!({"open": open, "fives": {"type": "integer", "multipleOf": 5}})).await;
    for (spec, field) in [
        (json!({"open": 1}), "spec.open"),
        (json!({"open": 9}), "spec.open"),
        (json!({"fives": 7}), "spec.fives"),
    ] {
        widgets.refuses(spec, field).await;
    }
    widgets.create("fits", json!({"open": 2, "fives": 10})).await;
}

pub(super) async fn objects_have_as_many_properties_as_they_may(rig: &Rig) {
    let notes = json!({
        "type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "string"},
    });
    let widgets = widgets(rig, json!({"notes": notes})).await;
    widgets.refuses(json!({"notes": {}}), "spec.notes").await;
    widgets.refuses(json!({"notes": {"a": "1", "b": "2", "c": "3"}}), "spec.notes").await;
    widgets.create("fits", json!({"notes": {"a": "1"}})).await;
}

pub(super) async fn texts_have_the_format_that_is_known_and_any_other(rig: &Rig) {
    let widgets = widgets(
        rig,
        json!({
            "at": {"type": "string", "format": "date-time"},
            "address": {"type": "string", "format": "ipv4"},
            "colour": {"type": "string", "format": "octarine"},
            "count": {"type": "integer", "format": "int32"},
        }),
    )
    .await;
    widgets.refuses(json!({"at": "yesterday"}), "spec.at").await;
    widgets.refuses(json!({"address": "10.0.0"}), "spec.address").await;
    let fits = json!({
        "at": "2026-01-01T00:00:00Z", "address": "10.0.0.1", "colour": "any", "count": 4_000_000_000_u64,
    });
    widgets.create("fits", fits).await;
}

pub(super) async fn nothing_is_in_a_set_or_a_map_twice(rig: &Rig) {
    let item = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
    });
    let widgets = widgets(
        rig,
        json!({
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "parts": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": item,
            },
        }),
    )
    .await;
    let twice = widgets.widget("bad", json!({"tags": ["a", "b", "a"]}));
    let refused = rig.post(&widgets.all(), twice).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(
        refused.body["details"]["causes"],
        json!([{"reason": "FieldValueDuplicate", "message": "Duplicate value: \"a\"", "field": "spec.tags[2]"}])
    );
    widgets.refuses(json!({"parts": [{"name": "a", "n": 1}, {"name": "a", "n": 2}]}), "spec.parts[1]").await;
    widgets.create("fits", json!({"tags": ["a", "b"], "parts": [{"name": "a"}, {"name": "b"}]})).await;
}

pub(super) async fn alternatives_are_held_against_an_object(rig: &Rig) {
    let size = |part: Value| {
        let mut schema = json!({"type": "integer"});
        schema.as_object_mut().expect("an object").extend(part.as_object().cloned().unwrap_or_default());
        schema
    };
    let parts = json!([{"maximum": 5}, {"minimum": 3}]);
    let widgets = widgets(
        rig,
        json!({
            "one": size(json!({"oneOf": parts})),
            "any": size(json!({"anyOf": [{"maximum": 1}, {"minimum": 9}]})),
            "all": size(json!({"allOf": parts})),
            "not": size(json!({"not": {"minimum": 3}})),
        }),
    )
    .await;
    for (field, wrong, said) in [
        ("one", 4, "\"spec.one\" must validate one and only one schema (oneOf)"),
        ("any", 5, "\"spec.any\" must validate at least one schema (anyOf)"),
        ("all", 1, "\"spec.all\" must validate all the schemas (allOf)"),
        ("not", 3, "\"spec.not\" must not validate the schema (not)"),
    ] {
        let refused = rig.post(&widgets.all(), widgets.widget("bad", json!({field: wrong}))).await;
        refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{message}");
    }
    widgets.create("fits", json!({"one": 1, "any": 9, "all": 4, "not": 2})).await;
}

pub(super) async fn a_cause_says_what_kind_of_error_it_is(rig: &Rig) {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string"}, "b": {"type": "string", "enum": ["x"]},
    }});
    let widgets = Widgets::with_schema(rig, json!({"type": "object", "properties": {"spec": schema}})).await;
    let reasons = async |spec: Value| {
        let refused = rig.post(&widgets.all(), widgets.widget("bad", spec)).await;
        let cause = &refused.body["details"]["causes"][0];
        (cause["field"].clone(), cause["reason"].clone(), cause["message"].clone())
    };
    assert_eq!(
        reasons(json!({})).await,
        (json!("spec.a"), json!("FieldValueRequired"), json!("Required value"))
    );
    let said = json!("Unsupported value: \"y\": supported values: \"x\"");
    assert_eq!(
        reasons(json!({"a": "", "b": "y"})).await,
        (json!("spec.b"), json!("FieldValueNotSupported"), said)
    );
}

pub(super) async fn a_definition_does_not_ask_for_unique_items(rig: &Rig) {
    let group = format!("other.{}.example.org", rig.namespace);
    let list = json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}});
    let schema = json!({"type": "object", "properties": {"a": list}});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let refused = rig.post(path, definition(&group, schema)).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!(
        (&cause["field"], &cause["reason"]),
        (&json!("spec.validation.openAPIV3Schema.properties[a].uniqueItems"), &json!("FieldValueForbidden"))
    );
}
