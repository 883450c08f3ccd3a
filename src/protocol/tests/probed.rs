//! What the source has to say of itself before anything is done to it or to its queue.

use jiff::Timestamp;
use ms2m_app::contract::{CONTRACT_VERSION, Reply, ReplyBody};

use super::script::{decide_as_usual, spec};
use crate::{
    api::{Phase, SourceStatus, StatefulMigrationStatus, reason},
    protocol::{Effect, Observation, PendingReply, Rivalry},
};

/// The phase after an answer, and what is said of it: reason and message.
fn answered(owner: bool, queue: Option<&str>, last_epoch: u64) -> (Phase, String, String) {
    let source = SourceStatus { uid: "s".to_owned(), ..SourceStatus::default() };
    let status = StatefulMigrationStatus { source: Some(source), ..StatefulMigrationStatus::default() };
    let queue = queue.map(str::to_owned);
    let body = ReplyBody::Probed { last_epoch, nonce: None, owner, queue, sequenced: true };
    let (migration, pod_uid) = ("m".to_owned(), "s".to_owned());
    let reply = Reply { version: CONTRACT_VERSION, migration, epoch: 0, pod_uid, body };
    let seen = Observation {
        rivalry: Some(Rivalry::Alone),
        replies: vec![PendingReply { id: 1, reply: Some(reply) }],
        ..Observation::default()
    };
    let decided = decide_as_usual("m", &spec(), &status, &seen, Timestamp::UNIX_EPOCH);
    assert!(!decided.effects.iter().any(|effect| matches!(effect, Effect::PublishMarker { .. })));
    let said = decided.status.conditions.first().expect("something is said of it");
    (decided.status.phase, said.reason.clone(), said.message.clone())
}

#[test]
fn only_the_owner_of_the_queue_that_is_named_is_moved() {
    let own = spec().broker.queue;
    assert_eq!(answered(true, Some(&own), 3).0, Phase::Mirroring);
    for (owner, queue, last_epoch, reason, piece) in [
        (false, Some(own.as_str()), 3, reason::SOURCE_NOT_OWNER, "another consumer has it"),
        (true, Some("other"), 3, reason::SOURCE_NOT_OWNER, "the source consumes queue other, and not"),
        (false, Some("other"), 3, reason::SOURCE_NOT_OWNER, "spec.broker.queue has to name the one"),
        (true, None, 3, reason::SOURCE_NOT_MIGRATABLE, "does not say which queue it consumes"),
        (true, Some(own.as_str()), u64::MAX, reason::REPLY_IMPOSSIBLE, "none is larger"),
    ] {
        let (phase, said, message) = answered(owner, queue, last_epoch);
        assert_eq!((phase, said.as_str()), (Phase::Pending, reason), "{queue:?}");
        assert!(message.contains(piece), "{message}");
    }
}
