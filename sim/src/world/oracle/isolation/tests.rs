use ms2m::{
    api::{
        Abort, Binding, CheckpointStatus, MirrorStatus, Phase, SourceStatus, StatefulMigrationStatus,
        TargetStatus,
    },
    kubernetes::client::USER_AGENT,
};
use serde_json::json;

use super::{
    checkpoints, is_the_operators, objects,
    owners::Owners,
    queues::{self, Lane},
};
use crate::{
    amqp::{Act, Deed},
    apiserver::{RequestRecord, Verb},
    plan::Workload,
    world::{
        Names,
        transfer::{Handled, Handling},
    },
};

/// A migration of `counter`, or of `counter-1`, that has come as far as its checkpoint's transfer.
fn status(index: usize) -> StatefulMigrationStatus {
    let names = Names::of(index, &Workload::default());
    StatefulMigrationStatus {
        phase: Phase::Transferring,
        source: Some(SourceStatus {
            pod: names.source(),
            uid: format!("pod-{index}"),
            node: "node-1".to_owned(),
            container_id: format!("containerd://container-{index}"),
            ..SourceStatus::default()
        }),
        target: Some(TargetStatus::default()),
        mirror: Some(MirrorStatus {
            replay_queue: format!("{}.ms2m.uid-{index}", names.queue()),
            bindings: vec![Binding {
                exchange: "shop".to_owned(),
                routing_key: names.routing_key(),
                arguments: Default::default(),
            }],
            ..MirrorStatus::default()
        }),
        checkpoint: Some(CheckpointStatus {
            archive: Some(format!("/checkpoints/{index}.tar")),
            ..CheckpointStatus::default()
        }),
        ..StatefulMigrationStatus::default()
    }
}

fn given_up(index: usize) -> StatefulMigrationStatus {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let abort = Abort {
        reason: String::new(),
        message: String::new(),
        at,
        asked_at: None,
        proven: true,
        refused: false,
        silent: false,
    };
    StatefulMigrationStatus { phase: Phase::RollingBack, abort: Some(abort), ..status(index) }
}

/// Two that are under way at the same time; the first is given up.
fn owners() -> Owners {
    let mut owners = Owners::default();
    let names = |index| Names::of(index, &Workload::default());
    owners.learn(names(0), "uid-0", "move", &given_up(0));
    owners.learn(names(1), "uid-1", "move-1", &status(1));
    owners
}

fn act(deed: Deed, queue: &str) -> Act {
    Act { client: 1, channel: 1, deed, queue: queue.to_owned() }
}

fn on_a_lane(acts: &[Act]) -> Result<(), String> {
    let mut lane = Lane::default();
    acts.iter().try_for_each(|act| queues::judge(&owners(), &mut lane, act))
}

fn command(migration: &str) -> Deed {
    Deed::Publish { exchange: String::new(), migration: migration.to_owned() }
}

#[test]
fn a_channel_serves_one_migration() {
    let own = [
        act(Deed::Declare, "ms2m.replies.uid-0"),
        act(command("uid-0"), "ms2m.control.pod-0"),
        act(command("uid-0"), "orders"),
        act(Deed::Delete, "ms2m.control.pod-0"),
        act(Deed::Delete, "orders.ms2m.uid-0"),
    ];
    assert_eq!(on_a_lane(&own), Ok(()));
    for strange in [
        act(Deed::Delete, "ms2m.control.pod-1"),
        act(Deed::Delete, "orders-1.ms2m.uid-1"),
        act(Deed::Look, "orders-1"),
        act(Deed::Declare, "ms2m.replies.uid-1"),
        act(command("uid-1"), "ms2m.control.pod-1"),
    ] {
        let told = on_a_lane(&[own[0].clone(), strange]).unwrap_err();
        assert!(told.contains("on a channel that served workload Some(0)"), "{told}");
    }
    let next = [own[0].clone(), act(Deed::OpenChannel, ""), act(Deed::Look, "orders-1")];
    assert_eq!(on_a_lane(&next), Ok(()));
}

#[test]
fn a_message_names_the_migration_whose_queue_it_goes_to() {
    for (migration, queue) in [("uid-1", "ms2m.control.pod-0"), ("uid-0", "orders-1"), ("", "orders")] {
        assert!(on_a_lane(&[act(command(migration), queue)]).is_err(), "{migration} to {queue}");
    }
    let everybody = Deed::Publish { exchange: "shop".to_owned(), migration: "uid-0".to_owned() };
    assert!(on_a_lane(&[act(everybody, "orders.new")]).unwrap_err().contains("exchange shop"));
}

#[test]
fn the_replay_queue_is_bound_as_its_own_primary_queue_is() {
    let bind = |key: &str| Deed::Bind { exchange: "shop".to_owned(), routing_key: key.to_owned() };
    assert_eq!(on_a_lane(&[act(bind("orders.new"), "orders.ms2m.uid-0")]), Ok(()));
    let other = on_a_lane(&[act(bind("orders-1.new"), "orders.ms2m.uid-0")]).unwrap_err();
    assert!(other.contains("no binding of move's primary queue"), "{other}");
}

#[test]
fn where_nothing_shows_who_asked_only_what_was_given_up_is_deleted() {
    assert_eq!(on_a_lane(&[act(Deed::Delete, "ms2m.control.pod-0")]), Ok(()));
    for (deed, queue) in [
        (Deed::Delete, "ms2m.control.pod-1"),
        (Deed::Delete, "orders"),
        (Deed::Purge, "orders.ms2m.uid-0"),
        (Deed::Delete, "somebody-else"),
        (Deed::ShapeExchanges, ""),
    ] {
        assert!(on_a_lane(&[act(deed.clone(), queue)]).is_err(), "{deed:?} of {queue}");
    }
}

fn write(verb: Verb, plural: &str, name: &str) -> RequestRecord {
    RequestRecord {
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        verb,
        group: String::new(),
        plural: plural.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: String::new(),
        subresource: String::new(),
        user_agent: "ms2m".to_owned(),
        manager: "ms2m".to_owned(),
        code: 200,
        changed: true,
    }
}

#[test]
fn pods_bear_the_marks_of_their_own_migration_and_go_when_that_one_asks() {
    let judge = |verb, name: &str, uid: &str, migration: &str| {
        let object = json!({ "metadata": {
            "labels": { ms2m::api::LABEL_MIGRATION_UID: uid },
            "annotations": { ms2m::api::ANNOTATION_MIGRATION_NAME: migration },
        } });
        objects::judge(&owners(), &write(verb, "pods", name), Some(&object), false)
    };
    assert_eq!(judge(Verb::Patch, "counter-1", "uid-1", "move-1"), Ok(()));
    assert!(judge(Verb::Patch, "counter-1", "uid-0", "move").unwrap_err().contains("belongs to move-1"));
    assert_eq!(judge(Verb::Delete, "counter", "uid-0", "move"), Ok(()));
    assert!(judge(Verb::Delete, "counter-1", "uid-1", "move-1").unwrap_err().contains("had not asked"));
    assert!(judge(Verb::Delete, "somebody", "uid-0", "move").unwrap_err().contains("nobody's"));
    let object = objects::judge(&owners(), &write(Verb::Delete, "statefulmigrations", "move"), None, false);
    assert!(object.unwrap_err().contains("its user's to delete"));
    // The mark of one that is under way is not taken off.
    let bare = objects::judge(&owners(), &write(Verb::Patch, "pods", "counter-1"), Some(&json!({})), false);
    assert!(bare.is_err());
}

#[test]
fn a_checkpoint_is_one_when_the_kubelet_wrote_it() {
    let asked = |code| RequestRecord {
        subresource: "proxy/checkpoint/default/counter/counter".to_owned(),
        user_agent: USER_AGENT.to_owned(),
        code,
        changed: false,
        ..write(Verb::Create, "nodes", "node-1")
    };
    // 0 is a request that was lost.
    for (code, is_one) in [(200, true), (0, false), (404, false), (500, false)] {
        assert_eq!(is_the_operators(&asked(code)), is_one, "{code}");
    }
}

#[test]
fn a_shadow_that_works_goes_when_its_own_migration_asks() {
    let deleted =
        |shadow: &str, works| objects::judge(&owners(), &write(Verb::Delete, "pods", shadow), None, works);
    assert_eq!(deleted("counter-shadow", true), Ok(()));
    assert_eq!(deleted("counter-1-shadow", false), Ok(()));
    assert!(deleted("counter-1-shadow", true).unwrap_err().contains("move-1 had not asked"));
}

#[test]
fn a_job_is_its_migrations_and_names_nothing_of_another_one() {
    let judge = |container: &str, owner: &str| {
        let job = json!({
            "metadata": {
                "labels": { ms2m::api::LABEL_MIGRATION_UID: "uid-0" },
                "annotations": { ms2m::api::ANNOTATION_MIGRATION_NAME: "move" },
                "ownerReferences": [{ "uid": owner }],
            },
            "spec": { "args": ["--container-id", container] },
        });
        objects::judge(&owners(), &write(Verb::Create, "jobs", "ms2m-cleanup-uid-0"), Some(&job), false)
    };
    assert_eq!(judge("containerd://container-0", "uid-0"), Ok(()));
    assert!(judge("containerd://container-1", "uid-0").unwrap_err().contains("which is move-1's"));
    assert!(judge("containerd://container-0", "uid-1").unwrap_err().contains("not owned by move alone"));
    let all = objects::judge(&owners(), &write(Verb::DeleteCollection, "jobs", ""), None, false);
    assert!(all.unwrap_err().contains("without saying which"));
}

#[test]
fn a_job_handles_the_checkpoints_of_its_own_source() {
    let judge = |job: &str, deed, of_pod: &str| {
        let handling = Handling { job_pod: format!("{job}-x7k2p"), deed, of_pod: of_pod.to_owned() };
        checkpoints::judge(&owners(), &handling)
    };
    assert_eq!(judge("ms2m-cleanup-uid-0", Handled::ImageDeleted, "pod-0"), Ok(()));
    assert!(judge("ms2m-cleanup-uid-0", Handled::ArchiveDeleted, "pod-1").is_err());
    assert!(
        judge("ms2m-cleanup-uid-1", Handled::ImageDeleted, "pod-1").unwrap_err().contains("had not asked")
    );
    assert_eq!(judge("ms2m-transfer-uid-1", Handled::Pushed("ms2m-uid-1".to_owned()), "pod-1"), Ok(()));
    let shared = judge("ms2m-transfer-uid-1", Handled::Pushed("latest".to_owned()), "pod-1");
    assert!(shared.unwrap_err().contains("not its own"));
}
