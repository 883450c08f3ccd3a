//! Lists: order, selectors, pages.

use std::time::Duration;

use http::{Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    custom::Widgets,
    rig::{Rig, map, names, pod, version},
};

async fn labelled(rig: &Rig, name: &str, labels: Value) {
    let mut object = map(name, json!({}));
    object["metadata"]["labels"] = labels;
    rig.post(&rig.core("configmaps"), object).await.object();
}

async fn selected(rig: &Rig, selector: &str) -> Vec<String> {
    let selector: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
    let list = rig.get(&rig.core(&format!("configmaps?labelSelector={selector}"))).await.object();
    names(&list)
}

pub(super) async fn an_empty_list_is_a_list(rig: &Rig) {
    let list = rig.get(&rig.core("configmaps?labelSelector=nobody")).await.object();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert_eq!(list["items"], json!([]));
    assert!(version(&list).parse::<u64>().is_ok());
}

pub(super) async fn items_come_in_the_order_of_their_names(rig: &Rig) {
    for name in ["b", "c", "a"] {
        labelled(rig, name, json!({"t": "1"})).await;
    }
    assert_eq!(selected(rig, "t=1").await, ["a", "b", "c"]);
}

pub(super) async fn items_of_built_in_kinds_do_not_repeat_their_kind(rig: &Rig) {
    labelled(rig, "a", json!({"t": "1"})).await;
    let list = rig.get(&rig.core("configmaps?labelSelector=t")).await.object();
    assert_eq!((&list["items"][0]["kind"], &list["items"][0]["apiVersion"]), (&Value::Null, &Value::Null));
}

pub(super) async fn items_of_custom_kinds_do(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let list = rig.get(&widgets.all()).await.object();
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("WidgetList"), &json!("Widget")));
}

pub(super) async fn a_lists_version_is_not_older_than_its_items(rig: &Rig) {
    labelled(rig, "a", json!({"t": "1"})).await;
    let list = rig.get(&rig.core("configmaps")).await.object();
    let number = |object: &Value| version(object).parse::<u64>().expect("a number");
    let items = list["items"].as_array().expect("a list");
    assert!(items.iter().all(|item| number(item) <= number(&list)));
}

pub(super) async fn labels_are_selected_by_equality_and_by_sets(rig: &Rig) {
    labelled(rig, "a", json!({"tier": "db", "zone": "1"})).await;
    labelled(rig, "b", json!({"tier": "web"})).await;
    labelled(rig, "c", json!({"tier": "cache", "zone": "2"})).await;
    for (selector, found) in [
        ("tier=db", vec!["a"]),
        ("tier==db", vec!["a"]),
        ("tier!=db,tier", vec!["b", "c"]),
        ("tier in (db, web)", vec!["a", "b"]),
        ("tier notin (db, web),tier", vec!["c"]),
        ("tier,zone", vec!["a", "c"]),
        ("tier,!zone", vec!["b"]),
        ("tier=db,zone=2", vec![]),
    ] {
        assert_eq!(selected(rig, selector).await, found, "{selector}");
    }
}

pub(super) async fn a_selector_that_cannot_be_read_is_a_bad_request(rig: &Rig) {
    for selector in ["labelSelector=%3D%3D%3D", "labelSelector=a%20in%20b", "fieldSelector=no"] {
        let refused = rig.get(&rig.core(&format!("configmaps?{selector}"))).await;
        refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
    }
}

pub(super) async fn every_kind_is_selected_by_its_name(rig: &Rig) {
    rig.map("a", json!({})).await;
    rig.map("b", json!({})).await;
    let list = rig.get(&rig.core("configmaps?fieldSelector=metadata.name%3Db")).await.object();
    assert_eq!(names(&list), ["b"]);
    let widgets = Widgets::define(rig).await;
    widgets.create("v", json!({"size": 1})).await;
    widgets.create("w", json!({"size": 1})).await;
    let list = rig.get(&format!("{}?fieldSelector=metadata.name%3Dw", widgets.all())).await.object();
    assert_eq!(names(&list), ["w"]);
}

pub(super) async fn pods_are_selected_by_their_node(rig: &Rig) {
    for (name, node) in [("p", "node-a"), ("q", "node-b")] {
        rig.post(&rig.core("pods"), pod(name, Some(node))).await.object();
    }
    let list = rig.get(&rig.core("pods?fieldSelector=spec.nodeName%3Dnode-a")).await.object();
    assert_eq!(names(&list), ["p"]);
    let list = rig.get(&rig.core("pods?fieldSelector=spec.nodeName!%3Dnode-a")).await.object();
    assert_eq!(names(&list), ["q"]);
}

pub(super) async fn a_field_that_is_not_indexed_is_a_bad_request(rig: &Rig) {
    let refused = rig.get(&rig.core("configmaps?fieldSelector=data.k%3D1")).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_list_comes_in_pages(rig: &Rig) {
    for name in ["a", "b", "c"] {
        labelled(rig, name, json!({"t": "1"})).await;
    }
    let first = rig.get(&rig.core("configmaps?labelSelector=t&limit=2")).await.object();
    assert_eq!(names(&first), ["a", "b"]);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let path = rig.core(&format!("configmaps?labelSelector=t&limit=2&continue={token}"));
    let rest = rig.get(&path).await.object();
    assert_eq!(names(&rest), ["c"]);
    assert!(rest["metadata"]["continue"].as_str().unwrap_or_default().is_empty());
}

pub(super) async fn a_page_says_how_much_is_left(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    for name in ["a", "b", "c"] {
        widgets.create(name, json!({"size": 1})).await;
    }
    let first = rig.get(&format!("{}?limit=1", widgets.all())).await.object();
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
}

pub(super) async fn all_pages_are_of_the_moment_of_the_first(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    for name in ["a", "b", "c"] {
        widgets.create(name, json!({"size": 1})).await;
    }
    let first = rig.get(&format!("{}?limit=1", widgets.all())).await.object();
    rig.delete(&widgets.one("c"), json!({})).await.object();
    widgets.create("d", json!({"size": 1})).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let rest = rig.get(&format!("{}?limit=9&continue={token}", widgets.all())).await.object();
    assert_eq!(names(&rest), ["b", "c"]);
    assert_eq!(version(&rest), version(&first));
}

pub(super) async fn a_token_that_nobody_gave_out_is_a_bad_request(rig: &Rig) {
    let refused = rig.get(&rig.core("configmaps?limit=1&continue=nonsense")).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_list_is_of_all_namespaces_where_none_is_named(rig: &Rig) {
    labelled(rig, "a", json!({"only": rig.namespace})).await;
    let list = rig.get(&format!("/api/v1/configmaps?labelSelector=only%3D{}", rig.namespace)).await.object();
    assert_eq!(names(&list), ["a"]);
    assert_eq!(list["items"][0]["metadata"]["namespace"], rig.namespace);
}

pub(super) async fn a_list_may_be_as_old_as_the_servers_cache(rig: &Rig) {
    rig.map("a", json!({})).await;
    let path = rig.core("configmaps?resourceVersion=0&fieldSelector=metadata.name%3Da");
    let list = rig.eventually(&path, |answer| answer.code == 200 && names(&answer.body) == ["a"]).await;
    assert!(version(&list.body).parse::<u64>().is_ok_and(|version| version > 0));
}

pub(super) async fn a_list_out_of_the_cache_comes_whole(rig: &Rig) {
    rig.map("a", json!({})).await;
    rig.map("b", json!({})).await;
    let all = |found: &Value| ["a", "b"].iter().all(|name| names(found).iter().any(|one| one == name));
    let path = rig.core("configmaps?resourceVersion=0&limit=1");
    rig.eventually(&path, |answer| answer.code == 200 && all(&answer.body)).await;
}

pub(super) async fn a_list_of_an_exact_version_is_of_that_version(rig: &Rig) {
    labelled(rig, "a", json!({"t": "1"})).await;
    let then = rig.get(&rig.core("configmaps?labelSelector=t")).await.object();
    labelled(rig, "b", json!({"t": "1"})).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let exactly = format!("resourceVersionMatch=Exact&resourceVersion={}", version(&then));
    let list = rig.get(&rig.core(&format!("configmaps?labelSelector=t&{exactly}"))).await.object();
    assert_eq!((names(&list), version(&list)), (vec!["a".to_owned()], version(&then)));
}

pub(super) async fn a_match_without_a_version_is_invalid(rig: &Rig) {
    let refused = rig.get(&rig.core("configmaps?resourceVersionMatch=NotOlderThan")).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn no_list_is_exactly_of_any_version(rig: &Rig) {
    let refused = rig.get(&rig.core("configmaps?resourceVersionMatch=Exact&resourceVersion=0")).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

/// A version that no server reaches while it is tested.
const NEVER: u64 = 4_000_000_000_000;

pub(super) async fn a_version_that_is_not_reached_yet_is_waited_for_and_then_a_timeout(rig: &Rig) {
    let last = rig.map("a", json!({})).await;
    let next = version(&last).parse::<u64>().expect("a number") + 1;
    let path = rig.core(&format!("configmaps?resourceVersion={next}"));
    let write = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.map("b", json!({})).await
    };
    let (answer, _) = tokio::join!(rig.get(&path), write);
    assert!(version(&answer.object()).parse::<u64>().is_ok_and(|version| version >= next));
    let begun = Instant::now();
    let refused = rig.get(&rig.core(&format!("configmaps?resourceVersion={NEVER}"))).await;
    refused.refused(StatusCode::GATEWAY_TIMEOUT, "Timeout");
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert!((2..=6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

pub(super) async fn an_object_is_waited_for_like_a_list(rig: &Rig) {
    rig.map("a", json!({})).await;
    let refused = rig.get(&rig.core(&format!("configmaps/a?resourceVersion={NEVER}"))).await;
    refused.refused(StatusCode::GATEWAY_TIMEOUT, "Timeout");
}

pub(super) async fn who_may_try_again_is_told_when_in_a_header(rig: &Rig) {
    let path = rig.core(&format!("configmaps?resourceVersion={NEVER}"));
    let request = Request::get(path).header("accept", "application/json").body(Body::empty()).unwrap();
    let response = rig.response(request).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let header = response.headers()[RETRY_AFTER].to_str().unwrap().to_owned();
    let body: Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["details"]["retryAfterSeconds"].to_string(), header);
    assert_ne!(header, "0");
}

fn quoted(token: &str) -> String {
    form_urlencoded::byte_serialize(token.as_bytes()).collect()
}

/// A first page of one widget out of three, and how to go on.
async fn begun(rig: &Rig, widgets: &Widgets<'_>) -> (Value, String) {
    for name in ["a", "b", "c"] {
        widgets.create(name, json!({"size": 1})).await;
    }
    let first = rig.get(&format!("{}?limit=1", widgets.all())).await.object();
    let token = first["metadata"]["continue"].as_str().expect("a token").to_owned();
    (first, quoted(&token))
}

pub(super) async fn a_token_of_a_forgotten_version_is_gone_and_brings_another(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let (first, token) = begun(rig, &widgets).await;
    rig.delete(&widgets.one("c"), json!({})).await.object();
    widgets.create("d", json!({"size": 1})).await;
    rig.forgotten_version();
    let next = format!("{}?limit=1&continue={token}", widgets.all());
    let gone = rig.eventually(&next, |answer| answer.code == 410).await;
    gone.refused(StatusCode::GONE, "Expired");
    let other = quoted(gone.body["metadata"]["continue"].as_str().expect("another token"));
    let rest = rig.get(&format!("{}?continue={other}", widgets.all())).await.object();
    assert_eq!(names(&rest), ["b", "d"], "as it is now");
    let exactly = format!("resourceVersionMatch=Exact&resourceVersion={}", version(&first));
    let refused = rig.get(&format!("{}?{exactly}", widgets.all())).await;
    refused.refused(StatusCode::GONE, "Expired");
    assert_eq!(refused.body["metadata"].get("continue"), None);
}

pub(super) async fn what_is_continued_has_its_version_already(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let (first, token) = begun(rig, &widgets).await;
    let next = format!("{}?limit=1&continue={token}", widgets.all());
    let at = version(&first);
    let refused = rig.get(&format!("{next}&resourceVersion={at}")).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
    let refused = rig.get(&format!("{next}&resourceVersion={at}&resourceVersionMatch=Exact")).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let rest = rig.get(&format!("{next}&resourceVersion=0")).await.object();
    assert_eq!(names(&rest), ["b"]);
}

pub(super) async fn a_match_that_does_not_exist_is_invalid(rig: &Rig) {
    let refused = rig.get(&rig.core("configmaps?resourceVersionMatch=Roughly&resourceVersion=1")).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let refused =
        rig.get(&rig.core("configmaps?watch=true&resourceVersionMatch=Exact&resourceVersion=1")).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}
