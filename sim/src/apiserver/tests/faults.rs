use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use serde_json::json;

use super::{
    objects::from,
    world::{client, client_named, server, status},
};
use crate::apiserver::{ApiServer, Fault, FaultEffect, RequestMatch, Verb};

fn map(name: &str) -> ConfigMap {
    from(json!({ "metadata": { "name": name } }))
}

fn maps(server: &ApiServer) -> Api<ConfigMap> {
    Api::default_namespaced(client(server))
}

#[tokio::test(start_paused = true)]
async fn the_requests_that_are_to_fail_fail_and_those_before_and_after_do_not() {
    let server = server();
    for code in [409, 429, 500] {
        let effect = FaultEffect::Refuse { code, retry_after_s: Some(1) };
        let on = RequestMatch::default().verb(Verb::Create).of("configmaps");
        server.inject(Fault { on, skip: 1, times: 2, effect });
        let outcome =
            async |name: String| match maps(&server).create(&PostParams::default(), &map(&name)).await {
                Ok(_) => 201,
                Err(error) => status(&error).code,
            };
        let mut codes = Vec::new();
        for attempt in 0..4 {
            codes.push(outcome(format!("m-{code}-{attempt}")).await);
        }
        assert_eq!(codes, [201, code, code, 201]);
    }
    assert_eq!(server.list("", "configmaps", "").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_leaves_the_write_behind_and_a_lost_request_does_not() {
    let server = server();
    for (name, effect, is_there) in [
        ("acknowledgement", FaultEffect::LoseAcknowledgement, true),
        ("request", FaultEffect::LoseRequest, false),
    ] {
        server.inject(Fault { on: RequestMatch::default().writes(), skip: 0, times: 1, effect });
        let lost = maps(&server).create(&PostParams::default(), &map(name)).await.unwrap_err();
        assert!(!matches!(lost, kube::Error::Api(_)), "{lost:?}");
        assert_eq!(maps(&server).get_opt(name).await.unwrap().is_some(), is_there, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_has_hit_when_a_request_came_that_it_is_meant_for() {
    let server = server();
    let on = RequestMatch::default().writes().of("configmaps");
    let effect = FaultEffect::Refuse { code: 500, retry_after_s: None };
    let [hits, waits] = [on.clone(), on.named("b")]
        .map(|on| server.inject(Fault { on, skip: 0, times: u32::MAX, effect: effect.clone() }));
    maps(&server).get_opt("a").await.unwrap();
    assert!(!server.has_hit(hits), "that was no write");
    maps(&server).create(&PostParams::default(), &map("a")).await.unwrap_err();
    server.withdraw(hits);
    assert_eq!((server.has_hit(hits), server.has_hit(waits)), (true, false));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_done_late() {
    let server = server();
    server.inject(Fault {
        on: RequestMatch::default(),
        skip: 0,
        times: 1,
        effect: FaultEffect::Delay { ms: 5000 },
    });
    let begun = tokio::time::Instant::now();
    maps(&server).create(&PostParams::default(), &map("a")).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_who_wrote_what_and_whether_it_changed_anything() {
    let server = server();
    let operator: Api<ConfigMap> = Api::default_namespaced(client_named(&server, "ms2m/0.1"));
    operator.create(&PostParams::default(), &map("a")).await.unwrap();
    operator.get("a").await.unwrap();
    let again = operator.create(&PostParams::default(), &map("a")).await;
    assert!(again.is_err());
    let told: Vec<_> = server
        .log_of_requests()
        .into_iter()
        .map(|record| {
            (record.verb, record.plural, record.user_agent, record.manager, record.code, record.changed)
        })
        .collect();
    let line = |verb, code, changed| {
        (verb, "configmaps".to_owned(), "ms2m/0.1".to_owned(), "ms2m".to_owned(), code, changed)
    };
    assert_eq!(
        told,
        [line(Verb::Create, 201, true), line(Verb::Get, 200, false), line(Verb::Create, 409, false)]
    );
    assert_eq!(server.log_of_writes().len(), 2);
}

#[test]
fn a_fault_plan_survives_being_saved() {
    let fault = Fault {
        on: RequestMatch::from_client("ms2m").writes().of("statefulmigrations").subresource("status"),
        skip: 3,
        times: 1,
        effect: FaultEffect::Refuse { code: 409, retry_after_s: None },
    };
    let saved = serde_json::to_string(&fault).unwrap();
    assert_eq!(serde_json::from_str::<Fault>(&saved).unwrap(), fault);
}
