use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};

use super::{
    objects::{from, pod},
    world::{client, eventually, server},
};
use crate::apiserver::{ApiServer, RequestMatch};

/// What a watch said, as `ADDED name` and so on.
fn told(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("ADDED {}", map.name_any()),
        WatchEvent::Modified(map) => format!("MODIFIED {}", map.name_any()),
        WatchEvent::Deleted(map) => format!("DELETED {}", map.name_any()),
        WatchEvent::Bookmark(mark) => format!("BOOKMARK {}", mark.metadata.resource_version),
        WatchEvent::Error(status) => format!("ERROR {} {}", status.code, status.reason),
    }
}

async fn say(server: &ApiServer, params: WatchParams, from: &str, count: usize) -> Vec<String> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(server));
    let events = maps.watch(&params, from).await.unwrap();
    events.map_ok(|event| told(&event)).take(count).try_collect().await.unwrap()
}

async fn create(server: &ApiServer, name: &str, tier: &str) -> ConfigMap {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(server));
    let map: ConfigMap = from(json!({ "metadata": { "name": name, "labels": { "tier": tier } } }));
    maps.create(&PostParams::default(), &map).await.unwrap()
}

async fn label(server: &ApiServer, name: &str, tier: &str) {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(server));
    let patch: Patch<Value> = Patch::Merge(json!({ "metadata": { "labels": { "tier": tier } } }));
    maps.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_replays_what_happened_after_the_version_it_starts_from() {
    let server = server();
    let first = create(&server, "a", "db").await;
    create(&server, "b", "db").await;
    label(&server, "b", "web").await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    maps.delete("b", &DeleteParams::default()).await.unwrap();
    let heard = say(&server, WatchParams::default(), &first.resource_version().unwrap(), 3).await;
    assert_eq!(heard, ["ADDED b", "MODIFIED b", "DELETED b"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_rewound_tells_its_last_changes_once_more_and_goes_on() {
    let server = server();
    let first = create(&server, "a", "db").await.resource_version().unwrap();
    create(&server, "b", "db").await;
    label(&server, "b", "web").await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let mut events = maps.watch(&WatchParams::default(), &first).await.unwrap().boxed();
    let mut heard = Vec::new();
    for heard_before in [2, 4] {
        while heard.len() < heard_before {
            heard.push(told(&events.try_next().await.unwrap().unwrap()));
        }
        assert_eq!(server.rewind_watches(&RequestMatch::from_client("test"), 2), 1);
    }
    assert_eq!(server.rewind_watches(&RequestMatch::from_client("another"), 2), 0);
    heard.push(told(&events.try_next().await.unwrap().unwrap()));
    label(&server, "b", "db").await;
    heard.push(told(&events.try_next().await.unwrap().unwrap()));
    heard.push(told(&events.try_next().await.unwrap().unwrap()));
    let again = ["ADDED b", "MODIFIED b"];
    assert_eq!(heard, [&again[..], &again[..], &again[..], &["MODIFIED b"][..]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_nowhere_begins_with_what_is_there() {
    let server = server();
    create(&server, "a", "db").await;
    create(&server, "b", "web").await;
    assert_eq!(say(&server, WatchParams::default(), "0", 2).await, ["ADDED a", "ADDED b"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_starts_or_stops_matching_is_added_and_deleted_to_the_watch() {
    let server = server();
    let start = create(&server, "a", "db").await.resource_version().unwrap();
    for tier in ["web", "web2", "db"] {
        label(&server, "a", tier).await;
    }
    let params = WatchParams::default().labels("tier in (web, web2)");
    assert_eq!(say(&server, params, &start, 3).await, ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_gets_bookmarks_and_ends_at_its_timeout() {
    let server = server();
    let version = create(&server, "a", "db").await.resource_version().unwrap();
    let begun = tokio::time::Instant::now();
    let heard = say(&server, WatchParams::default().timeout(200), &version, 100).await;
    // At 60, 120 and 180 s, and shortly before the end.
    let mark = format!("BOOKMARK {}", server.resource_version());
    assert_eq!(heard, vec![mark; 4]);
    assert_eq!(begun.elapsed().as_secs(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_compacted_away_is_gone() {
    let server = server();
    let version = create(&server, "a", "db").await.resource_version().unwrap();
    create(&server, "b", "db").await;
    server.compact_history();
    assert_eq!(server.encounters().gone, 0, "nobody has come back yet");
    assert_eq!(say(&server, WatchParams::default(), &version, 5).await, ["ERROR 410 Expired"]);
    assert_eq!(server.encounters().gone, 1);
}

#[tokio::test(start_paused = true)]
async fn the_real_watcher_survives_compaction_and_closed_watches_and_misses_nothing() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let watched = watcher(maps, watcher::Config::default()).default_backoff().applied_objects();
    tokio::spawn(async move {
        let mut watched = std::pin::pin!(watched);
        while let Some(event) = watched.next().await {
            if let Ok(map) = event {
                sender.send(map.name_any()).unwrap();
            }
        }
    });
    let mut wait_for = async |name: &str| while seen.recv().await.unwrap() != name {};
    create(&server, "a", "db").await;
    wait_for("a").await;
    server.compact_history();
    create(&server, "b", "db").await;
    wait_for("b").await;
    server.close_watches(&RequestMatch::default());
    create(&server, "c", "db").await;
    wait_for("c").await;
}

#[tokio::test(start_paused = true)]
async fn the_real_watcher_can_stream_its_initial_list() {
    let server = server();
    create(&server, "a", "db").await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let mut events = std::pin::pin!(watcher(maps, watcher::Config::default().streaming_lists()));
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::Init))));
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::InitApply(map))) if map.name_any() == "a"));
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::InitDone))));
    create(&server, "b", "db").await;
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::Apply(map))) if map.name_any() == "b"));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_watch_tells_nothing_until_it_is_released_and_then_everything() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let mut events = Box::pin(maps.watch(&WatchParams::default(), "0").await.unwrap());
    create(&server, "a", "db").await;
    assert_eq!(told(&events.try_next().await.unwrap().unwrap()), "ADDED a");
    server.stall_watches(RequestMatch::from_client("test").of("configmaps"));
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_mins(2), events.try_next()).await.is_err());
    assert_eq!(server.encounters().held_back, 0, "of that it would have told nothing");
    create(&server, "b", "db").await;
    assert!(tokio::time::timeout(Duration::from_mins(2), events.try_next()).await.is_err());
    assert!(server.encounters().held_back > 0);
    server.release_watches();
    assert_eq!(told(&events.try_next().await.unwrap().unwrap()), "ADDED b");
}

#[tokio::test(start_paused = true)]
async fn metadata_only_watches_and_lists_leave_the_rest_out() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap();
    let list = pods.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].metadata.name.as_deref(), Some("orders-0"));
    let mut events = Box::pin(pods.watch_metadata(&WatchParams::default(), "0").await.unwrap());
    let first = events.try_next().await.unwrap().unwrap();
    assert!(matches!(first, WatchEvent::Added(object) if object.name_any() == "orders-0"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_no_watch_behind() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let events = Box::pin(maps.watch(&WatchParams::default(), "0").await.unwrap());
    assert_eq!(server.lock().watches.len(), 1);
    drop(events);
    drop(maps);
    eventually("the watch is forgotten", || server.lock().watches.is_empty().then_some(())).await;
}
