use jiff::Timestamp;
use ms2m_app::{
    Ledger,
    contract::{CONTRACT_VERSION, Reply, ReplyBody},
};

use super::script::{decide_as_usual, spec};
use crate::{
    api::{MirrorStatus, Phase, StatefulMigrationStatus, TargetStatus},
    protocol::{Observation, PendingReply, PodFacts, PodView},
};

/// What becomes of the status when a process in the shadow pod says `HELLO`.
fn hello(status: &StatefulMigrationStatus, session: &str) -> StatefulMigrationStatus {
    let body = ReplyBody::Hello {
        session: session.to_owned(),
        nonce: Some("nonce".to_owned()),
        ledger: Ledger::default(),
    };
    let (migration, pod_uid) = ("m".to_owned(), "shadow".to_owned());
    let reply = Reply { version: CONTRACT_VERSION, migration, epoch: 1, pod_uid, body };
    let shadow = PodFacts { uid: "shadow".to_owned(), ..PodFacts::default() };
    let seen = Observation {
        shadow: Some(PodView::Present(shadow)),
        replies: vec![PendingReply { id: 1, reply: Some(reply) }],
        ..Observation::default()
    };
    decide_as_usual("m", &spec(), status, &seen, Timestamp::UNIX_EPOCH).status
}

fn session(status: &StatefulMigrationStatus) -> Option<&str> {
    status.target.as_ref()?.session.as_deref()
}

#[test]
fn a_session_that_was_replaced_never_comes_back() {
    let restoring = StatefulMigrationStatus {
        phase: Phase::Replaying,
        epoch: Some(1),
        nonce: Some("nonce".to_owned()),
        mirror: Some(MirrorStatus { synced: Some(Ledger::default()), ..MirrorStatus::default() }),
        target: Some(TargetStatus { uid: Some("shadow".to_owned()), ..TargetStatus::default() }),
        ..StatefulMigrationStatus::default()
    };
    let first = hello(&restoring, "s-1");
    assert_eq!(session(&first), Some("s-1"));
    let second = hello(&first, "s-2");
    assert_eq!(session(&second), Some("s-2"));

    let late = hello(&second, "s-1");
    assert_eq!(session(&late), Some("s-2"), "a broker delivered the first HELLO once more");
    assert_eq!(session(&hello(&late, "s-3")), Some("s-3"));

    let mut many = second;
    for count in 0..100 {
        many = hello(&many, &format!("again-{count}"));
    }
    assert_eq!(
        many.target.map(|target| target.past_sessions.len()),
        Some(32),
        "what is remembered is bounded"
    );
}
