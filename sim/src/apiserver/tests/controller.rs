//! The parts of `kube` that the operator is built on, against this server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{
        Controller,
        controller::Action,
        events::{Event, EventType, Recorder, Reporter},
        finalizer::{self, Event as Finalizer},
        watcher,
    },
};
use serde_json::json;

use super::{
    objects::from,
    world::{client, client_named, eventually, server},
};
use crate::apiserver::{ApiServer, Fault, FaultEffect, RequestMatch, serve_connection};

struct Context {
    client: kube::Client,
    reconciled: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Failed(#[from] Box<finalizer::Error<kube::Error>>);

/// Keeps a Job for each config map, says in the map that it is there, and takes its time with deletions.
async fn reconcile(map: Arc<ConfigMap>, context: Arc<Context>) -> Result<Action, Failed> {
    context.reconciled.fetch_add(1, Ordering::Relaxed);
    let maps: Api<ConfigMap> = Api::default_namespaced(context.client.clone());
    let jobs: Api<Job> = Api::default_namespaced(context.client.clone());
    let apply = PatchParams::apply("controller").force();
    let result = finalizer::finalizer(&maps, "ms2m.io/cleanup", map, async |event| match event {
        Finalizer::Apply(map) => {
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": { "name": map.name_any(), "ownerReferences": [map.controller_owner_ref(&())] },
                "spec": { "template": { "spec": {
                    "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }],
                } } },
            });
            jobs.patch(&map.name_any(), &apply, &Patch::Apply(job)).await?;
            let note = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": map.name_any() },
                "data": { "job": map.name_any() },
            });
            maps.patch(&map.name_any(), &apply, &Patch::Apply(note)).await?;
            Ok(Action::await_change())
        }
        Finalizer::Cleanup(map) => {
            jobs.delete(&map.name_any(), &DeleteParams::background()).await?;
            Ok(Action::await_change())
        }
    });
    Ok(result.await.map_err(Box::new)?)
}

fn start(server: &ApiServer) -> Arc<Context> {
    let client = client_named(server, "controller");
    let context = Arc::new(Context { client: client.clone(), reconciled: AtomicUsize::new(0) });
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let run = Controller::new(maps, watcher::Config::default())
        .owns(Api::<Job>::default_namespaced(client), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), context.clone());
    tokio::spawn(run.for_each(|_| std::future::ready(())));
    context
}

async fn create_map(server: &ApiServer) -> Api<ConfigMap> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(server));
    maps.create(&PostParams::default(), &from(json!({ "metadata": { "name": "move" } }))).await.unwrap();
    maps
}

async fn until_settled(server: &ApiServer) {
    eventually("the Job is there and noted", || {
        let map = server.get("", "configmaps", "default", "move")?;
        let is_noted = map["data"]["job"] == "move";
        (is_noted && server.get("batch", "jobs", "default", "move").is_some()).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_brings_the_world_into_line_and_then_is_silent() {
    let server = server();
    let context = start(&server);
    create_map(&server).await;
    until_settled(&server).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (reconciled, writes) = (context.reconciled.load(Ordering::Relaxed), server.log_of_writes().len());
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(context.reconciled.load(Ordering::Relaxed), reconciled, "nothing changed, nothing is done");
    assert_eq!(server.log_of_writes().len(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_cleans_up_before_the_object_goes() {
    let server = server();
    start(&server);
    let maps = create_map(&server).await;
    until_settled(&server).await;
    maps.delete("move", &DeleteParams::default()).await.unwrap();
    eventually("everything is gone", || {
        let is_empty =
            server.list("", "configmaps", "").is_empty() && server.list("batch", "jobs", "").is_empty();
        is_empty.then_some(())
    })
    .await;
    eventually("the Job's pods are gone", || server.list("", "pods", "").is_empty().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_gets_there_in_spite_of_every_kind_of_fault() {
    let server = server();
    let on = RequestMatch::from_client("controller");
    for (skip, effect) in [
        (2, FaultEffect::Refuse { code: 409, retry_after_s: None }),
        (3, FaultEffect::Refuse { code: 500, retry_after_s: None }),
        (4, FaultEffect::Refuse { code: 429, retry_after_s: Some(1) }),
        (5, FaultEffect::LoseAcknowledgement),
        (6, FaultEffect::LoseRequest),
    ] {
        server.inject(Fault { on: on.clone(), skip, times: 1, effect });
    }
    start(&server);
    let maps = create_map(&server).await;
    server.compact_history();
    until_settled(&server).await;
    server.close_watches(&on);
    maps.delete("move", &DeleteParams::default()).await.unwrap();
    eventually("the object is gone", || server.list("", "configmaps", "").is_empty().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn events_are_recorded_and_repeated_ones_are_counted() {
    let server = server();
    let maps = create_map(&server).await;
    let about = maps.get("move").await.unwrap().object_ref(&());
    let recorder = Recorder::new(client(&server), Reporter::from("ms2m"));
    let event = Event {
        type_: EventType::Normal,
        reason: "Checkpointed".to_owned(),
        note: Some("the archive has 4096 bytes".to_owned()),
        action: "Checkpointing".to_owned(),
        secondary: None,
    };
    recorder.publish(&event, &about).await.unwrap();
    recorder.publish(&event, &about).await.unwrap();
    let events = server.list("events.k8s.io", "events", "default");
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["reason"], &events[0]["series"]["count"]), (&json!("Checkpointed"), &json!(2)));
}

#[tokio::test]
async fn the_client_that_kube_builds_by_itself_works_over_tcp() {
    let server = server();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(accepting.clone(), stream));
        }
    });
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    maps.create(&PostParams::default(), &from(json!({ "metadata": { "name": "move" } }))).await.unwrap();
    let mut events = std::pin::pin!(watcher(maps.clone(), watcher::Config::default()));
    while !matches!(events.next().await, Some(Ok(watcher::Event::InitDone))) {}
    maps.delete("move", &DeleteParams::default()).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::Delete(map))) if map.name_any() == "move"));
}
