use ms2m::api::StatefulMigrationStatus;
use ms2m_app::{
    Ledger,
    contract::{CONTRACT_VERSION, Reply, ReplyBody},
};

/// A UID that no pod has, and no migration.
const STRANGER: &str = "00000000-0000-0000-0000-000000000000";

/// What no application may say to the operator: what cannot be read, what is said in the name of nobody, or about another
/// migration, numbers that no process counts, a word that fits no condition. Each is to be told a person or left, and acked.
///
/// It speaks in the name of the parties themselves where that costs them nothing: whoever says of a RAM that it has the nonce
/// is believed. Of what it says of its queue there are several, of which the last would count: `draw` says which one it is.
pub(super) fn letters(
    migration: &str,
    queue: &str,
    status: &StatefulMigrationStatus,
    draw: u64,
) -> Vec<Vec<u8>> {
    let epoch = status.epoch.unwrap_or_default();
    let reply = |migration: &str, pod_uid: &str, body: ReplyBody| Reply {
        version: CONTRACT_VERSION,
        migration: migration.to_owned(),
        epoch,
        pod_uid: pod_uid.to_owned(),
        body,
    };
    let session = status.target.as_ref().and_then(|target| target.session.clone()).unwrap_or_default();
    let drained = |session: &str, round| ReplyBody::Drained {
        session: session.to_owned(),
        round,
        ledger: Ledger::default(),
    };
    let error =
        |reason: String| ReplyBody::Error { reason, message: "what no application may say".to_owned() };
    let counted =
        |read| ReplyBody::Progress { session: session.clone(), read, applied: u64::MAX, skipped: 0, held: 0 };
    let mut replies = vec![
        reply(STRANGER, STRANGER, drained(&session, 1)),
        reply(migration, STRANGER, drained(STRANGER, 1)),
        reply(migration, STRANGER, drained(&session, u32::MAX)),
        reply(migration, STRANGER, ReplyBody::Stopped { nonce: None, ledger: Ledger::default() }),
        reply(
            migration,
            STRANGER,
            ReplyBody::Hello { session: STRANGER.to_owned(), nonce: None, ledger: Ledger::default() },
        ),
        reply(migration, STRANGER, ReplyBody::Resumed { nonce: None }),
        reply(migration, STRANGER, error(String::new())),
        reply(migration, STRANGER, error("x".repeat(2_000))),
        reply(migration, STRANGER, counted(u64::MAX)),
        reply(migration, STRANGER, counted(0)),
    ];
    if let Some(source) = status.source.as_ref().filter(|_| status.epoch.is_none()) {
        let probed = |queue| {
            let (last_epoch, nonce) = (u64::MAX, None);
            ReplyBody::Probed { last_epoch, nonce, owner: true, queue, sequenced: true }
        };
        // The first two are refused for the queue, before anybody looks at the epoch.
        let queue = match draw % 4 {
            0 => None,
            1 => Some(STRANGER),
            _ => Some(queue),
        };
        replies.push(reply(migration, &source.uid, probed(queue.map(str::to_owned))));
    }
    let unreadable = [b"no JSON".to_vec(), b"{}".to_vec(), vec![0xff; 16]];
    let readable = replies.iter().filter_map(|reply| serde_json::to_vec(reply).ok());
    unreadable.into_iter().chain(readable).collect()
}
