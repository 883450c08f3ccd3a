//! The cost of one decision, in the phase that is woken most often: the target replays and says how far it is.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ms2m::{
    api::{
        BrokerKind, BrokerSpec, Deadlines, Phase, PhaseTransition, ReplaySpec, ReplayStatus, SecretKey,
        SourceStatus, StatefulMigrationSpec, StatefulMigrationStatus, Strategy, TargetSpec, TargetStatus,
        TransferSpec,
    },
    protocol::{Intervals, Migration, Observation, PendingReply, PodFacts, PodView, QueueView, decide},
};
use ms2m_app::contract::{CONTRACT_VERSION, Reply, ReplyBody};

const UID: &str = "11111111-2222-3333-4444-555555555555";

fn spec() -> StatefulMigrationSpec {
    StatefulMigrationSpec {
        source_pod: "counter".into(),
        container: None,
        uncarried_volumes: Vec::new(),
        target: TargetSpec { node_name: Some("node-2".into()), node_selector: None },
        strategy: Strategy::ShadowPod,
        broker: BrokerSpec {
            kind: BrokerKind::RabbitMQ,
            url_secret: SecretKey { name: "broker".into(), key: "url".into() },
            management_url_secret: None,
            queue: "orders".into(),
            bindings: Vec::new(),
        },
        transfer: TransferSpec {
            repository: "registry.example.com/checkpoints".into(),
            push_secret: None,
            image: None,
            ca_config_map: None,
        },
        replay: ReplaySpec::default(),
        deadlines: Deadlines::default(),
        attempts: Default::default(),
        retain_checkpoint: false,
    }
}

fn replaying() -> StatefulMigrationStatus {
    StatefulMigrationStatus {
        phase: Phase::Replaying,
        epoch: Some(1),
        nonce: Some("nonce".into()),
        phase_transitions: vec![PhaseTransition { phase: Phase::Replaying, at: jiff::Timestamp::UNIX_EPOCH }],
        source: Some(SourceStatus { uid: "source".into(), container_id: "c1".into(), ..Default::default() }),
        target: Some(TargetStatus {
            uid: Some("target".into()),
            session: Some("session".into()),
            replay_started: true,
            ..Default::default()
        }),
        replay: Some(ReplayStatus { lag: 500, ..Default::default() }),
        ..Default::default()
    }
}

fn seen() -> Observation {
    let pod = |uid: &str, container: &str| {
        Some(PodView::Present(PodFacts {
            uid: uid.into(),
            container_id: container.into(),
            running: true,
            labelled: true,
            ..Default::default()
        }))
    };
    let body =
        ReplyBody::Progress { session: "session".into(), read: 100, applied: 90, skipped: 10, held: 0 };
    let reply =
        Reply { version: CONTRACT_VERSION, migration: UID.into(), epoch: 1, pod_uid: "target".into(), body };
    Observation {
        source: pod("source", "c1"),
        shadow: pod("target", "c2"),
        replay: Some(QueueView::Present { consumers: 1 }),
        replay_end: Some(600),
        replies: vec![PendingReply { id: 1, reply: Some(reply) }],
        ..Default::default()
    }
}

fn one_decide(c: &mut Criterion) {
    let (spec, status, seen, intervals) = (spec(), replaying(), seen(), Intervals::default());
    let now = "1970-01-01T00:00:10Z".parse().expect("a timestamp");
    c.bench_function("decide, replaying with one PROGRESS", |b| {
        b.iter(|| {
            let migration = Migration { uid: UID, spec: &spec, status: &status, intervals: &intervals };
            black_box(decide(&migration, black_box(&seen), now))
        });
    });
}

criterion_group!(benches, one_decide);
criterion_main!(benches);
