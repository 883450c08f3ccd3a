//! A second server that is behind: what it tells, and what it makes a client wait for.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{GetParams, ListParams, PostParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::json;

use super::{
    objects::from,
    world::{client, server, status},
};
use crate::apiserver::{ApiServer, RequestMatch};

/// More than anything here waits for.
const LONG: Duration = Duration::from_mins(2);

fn maps(server: &ApiServer) -> Api<ConfigMap> {
    Api::default_namespaced(client(server))
}

async fn create(server: &ApiServer, name: &str) -> String {
    let map: ConfigMap = from(json!({ "metadata": { "name": name } }));
    maps(server).create(&PostParams::default(), &map).await.unwrap().resource_version().unwrap()
}

fn name(event: Option<WatchEvent<ConfigMap>>) -> String {
    match event {
        Some(WatchEvent::Added(map)) => map.name_any(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_at_a_server_that_is_behind_is_blind_until_it_has_caught_up() {
    let server = server();
    create(&server, "a").await;
    server.fall_behind();
    let seen = create(&server, "b").await;
    let mut events = Box::pin(maps(&server).watch(&WatchParams::default(), &seen).await.unwrap());
    create(&server, "c").await;
    assert!(tokio::time::timeout(LONG, events.try_next()).await.is_err(), "not even a bookmark comes");
    server.catch_up();
    // What the client knew already is not told again.
    assert_eq!(name(events.try_next().await.unwrap()), "c");
    assert_eq!(server.blind_watches("test"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_anywhere_begins_in_the_past() {
    let server = server();
    create(&server, "a").await;
    server.fall_behind();
    create(&server, "b").await;
    let mut events = Box::pin(maps(&server).watch(&WatchParams::default(), "0").await.unwrap());
    assert_eq!(name(events.try_next().await.unwrap()), "a");
    assert!(matches!(
        tokio::time::timeout(LONG, events.try_next()).await,
        Ok(Ok(Some(WatchEvent::Bookmark(mark)))) if mark.metadata.resource_version < server.resource_version().to_string()
    ));
    server.catch_up();
    assert_eq!(name(events.try_next().await.unwrap()), "b");
}

#[tokio::test(start_paused = true)]
async fn reads_that_are_content_with_a_cache_see_the_past_and_others_do_not() {
    let server = server();
    create(&server, "a").await;
    server.fall_behind();
    create(&server, "b").await;
    let any = ListParams::default().match_any();
    assert_eq!(maps(&server).list(&any).await.unwrap().items.len(), 1);
    assert_eq!(maps(&server).list(&ListParams::default()).await.unwrap().items.len(), 2);
    let missing = maps(&server).get_with("b", &GetParams::any()).await.unwrap_err();
    assert_eq!(status(&missing).code, 404);
    assert_eq!(maps(&server).get("b").await.unwrap().name_any(), "b");
    server.catch_up();
    assert_eq!(maps(&server).list(&any).await.unwrap().items.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_insists_on_a_version_waits_and_is_told_when_to_try_again() {
    let server = server();
    server.fall_behind();
    let seen = create(&server, "a").await;
    let begun = tokio::time::Instant::now();
    let refused = maps(&server).get_with("a", &GetParams::at(&seen)).await.unwrap_err();
    assert_eq!((status(&refused).code, status(&refused).reason.as_str()), (504, "Timeout"));
    assert_eq!(status(&refused).details.as_ref().map(|details| details.retry_after_seconds), Some(1));
    assert_eq!(begun.elapsed().as_secs(), 3);
    let late = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        late.catch_up();
    });
    assert_eq!(maps(&server).get_with("a", &GetParams::at(&seen)).await.unwrap().name_any(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_behind_until_the_last_reason_is_gone_or_its_history() {
    let server = server();
    server.fall_behind();
    server.fall_behind();
    create(&server, "a").await;
    let any = ListParams::default().match_any();
    server.catch_up();
    maps(&server).list(&ListParams::default()).await.unwrap();
    assert_eq!(server.encounters().behind, 0, "the store itself was asked");
    assert!(maps(&server).list(&any).await.unwrap().items.is_empty());
    assert_eq!(server.encounters().behind, 1);
    server.compact_history();
    assert_eq!(maps(&server).list(&any).await.unwrap().items.len(), 1, "it has listed everything anew");
    server.catch_up();
    let asked = server.encounters().behind;
    create(&server, "b").await;
    assert_eq!(maps(&server).list(&any).await.unwrap().items.len(), 2);
    assert_eq!(server.encounters().behind, asked, "it is behind no more");
}

#[tokio::test(start_paused = true)]
async fn the_real_watcher_that_is_cut_off_and_comes_back_to_the_past_misses_nothing() {
    let server = server();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let watched = watcher(maps(&server), watcher::Config::default()).default_backoff().applied_objects();
    tokio::spawn(async move {
        let mut watched = std::pin::pin!(watched);
        while let Some(event) = watched.next().await {
            if let Ok(map) = event {
                sender.send(map.name_any()).unwrap();
            }
        }
    });
    create(&server, "a").await;
    assert_eq!(seen.recv().await.unwrap(), "a");
    server.fall_behind();
    create(&server, "b").await;
    assert_eq!(seen.recv().await.unwrap(), "b");
    server.close_watches(&RequestMatch::default());
    create(&server, "c").await;
    assert!(tokio::time::timeout(LONG, seen.recv()).await.is_err());
    server.catch_up();
    assert_eq!(seen.recv().await.unwrap(), "c");
}
