//! What a reply changes. Stale ones change nothing; every one is acked, once the status is written.

use ms2m_app::seeded_bug::{self, SeededBug};
use ms2m_app::{
    Ledger,
    contract::{MissingMessages, Reply, ReplyBody},
};

use super::{
    cutoff,
    draft::{Draft, Probed},
    phase,
};
use crate::api::{NUMBER_MAX, Phase, ReplayStatus, Span, reason};

/// How many ranges of missing messages are kept in status.
const MISSING_MAX: usize = 100;

/// Bytes of the ledger at the sync point, and of the one with which the source stops, some minutes of publishers later. An object
/// holds a megabyte and a half (etcd's `--max-request-bytes`), and these two are by far the most of it.
const SYNCED_BYTES_MAX: usize = 256 << 10;
const STOPPED_BYTES_MAX: usize = 2 * SYNCED_BYTES_MAX;

/// How many replaced sessions are remembered: a broker does not keep a reply for longer than that many connections.
const PAST_SESSIONS_MAX: usize = 32;
/// Bytes of a condition's reason, as in Kubernetes' own API (`metav1.Condition`).
const REASON_BYTES_MAX: usize = 1_024;

/// Takes in everything that the applications said.
pub(super) fn absorb(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    for pending in &seen.replies {
        draft.ack(pending.id);
        if let Some(reply) = &pending.reply
            && reply.migration == draft.migration.uid
        {
            absorb_one(draft, reply);
        }
    }
}

fn absorb_one(draft: &mut Draft<'_>, reply: &Reply) {
    let from_source = reply.pod_uid == draft.source_uid();
    let of_epoch = draft.status.epoch == Some(reply.epoch);
    match &reply.body {
        // Asked before the epoch is known, too: it is how the epoch is found.
        ReplyBody::Probed { last_epoch, nonce, owner, queue, sequenced } if from_source => {
            draft.probed = Some(Probed {
                last_epoch: *last_epoch,
                nonce: nonce.clone(),
                owner: *owner,
                queue: queue.clone(),
                sequenced: *sequenced,
            });
        }
        // A fresh process knows no epoch; that it speaks at all from the shadow pod says enough.
        ReplyBody::Hello { session, nonce, ledger } => hello(draft, reply, session, nonce.as_deref(), ledger),
        ReplyBody::Synced { nonce, ledger } if from_source && of_epoch => synced(draft, nonce, ledger),
        ReplyBody::Stopped { nonce, ledger } if from_source && of_epoch => {
            stopped(draft, nonce.as_deref(), ledger);
        }
        ReplyBody::Resumed { .. } if from_source && of_epoch && draft.status.phase == Phase::RollingBack => {
            draft.cleanup().resumed = true;
        }
        ReplyBody::Error { reason, message } => {
            let is_word = !reason.is_empty() && reason.len() <= REASON_BYTES_MAX;
            draft.degraded(if is_word { reason } else { reason::REPLY_IMPOSSIBLE }, message.clone());
        }
        body if of_epoch => absorb_target(draft, body),
        _ => {}
    }
}

fn absorb_target(draft: &mut Draft<'_>, body: &ReplyBody) {
    let Some(current) = draft.session() else { return };
    match body {
        ReplyBody::ReplayStarted { session } if *session == current => replay_started(draft),
        ReplyBody::Progress { session, read, applied, skipped, held } if *session == current => {
            progress(draft, *read, *applied, *skipped, *held);
        }
        ReplyBody::Drained { session, round, ledger } if *session == current => {
            drained(draft, session, *round, ledger);
        }
        ReplyBody::Gap { session, round, missing } if *session == current => {
            gap(draft, session, *round, missing.clone());
        }
        ReplyBody::Switched { session, .. } if *session == current => {
            let now = draft.now;
            if let Some(handover) = draft.status.handover.as_mut()
                && handover.point_of_no_return.is_some()
            {
                handover.switched_at.get_or_insert(now);
                handover.switched_session = Some(session.clone());
            }
        }
        _ => {}
    }
}

fn replay_started(draft: &mut Draft<'_>) {
    let asked = draft.status.target.as_ref().and_then(|target| target.start_replay_sent_at);
    let round_trip = asked.map(|asked| Span::from(draft.since(asked)));
    let Some(target) = &mut draft.status.target else { return };
    if !target.replay_started {
        target.replay_started = true;
        draft.status.replay.get_or_insert_default().round_trip = round_trip;
    }
}

/// A copy says who it is. Valid when its RAM holds this epoch's nonce and all that the source's did at the sync point.
fn hello(draft: &mut Draft<'_>, reply: &Reply, session: &str, nonce: Option<&str>, ledger: &Ledger) {
    let restores = matches!(draft.status.phase, Phase::Restoring | Phase::Replaying | Phase::SwitchingOver);
    let current = draft.shadow().is_some_and(|shadow| shadow.uid == reply.pod_uid);
    let synced = draft.status.mirror.as_ref().and_then(|mirror| mirror.synced.as_ref());
    let proven = nonce.is_some()
        && nonce == draft.status.nonce.as_deref()
        && synced.is_some_and(|synced| ledger.contains_all(synced));
    if proven && !current && (restores || draft.status.phase == Phase::RollingBack) {
        phase::retire(draft, &reply.pod_uid);
    }
    if !restores || !current {
        return;
    }
    if !proven && !seeded_bug::is(SeededBug::RunningIsRestored) {
        draft.restored_fresh = true;
        return;
    }
    phase::note_shadow(draft, &reply.pod_uid);
    let keeps = seeded_bug::is(SeededBug::KeepOldSession);
    if let Some(target) = &mut draft.status.target
        && target.session.as_deref() != Some(session)
        && !target.past_sessions.iter().any(|past| past == session)
        && !(keeps && target.session.is_some())
    {
        target.past_sessions.extend(target.session.replace(session.to_owned()));
        let surplus = target.past_sessions.len().saturating_sub(PAST_SESSIONS_MAX);
        target.past_sessions.drain(..surplus);
        target.start_replay_sent_at = None;
        target.replay_started = false;
        if let Some(handover) = &mut draft.status.handover {
            handover.take_over_sent_at = None;
        }
        if let Some(replay) = &mut draft.status.replay {
            // Another process reads R from its start: what was measured of the last one says nothing about it.
            *replay = ReplayStatus::default();
        }
    }
}

fn synced(draft: &mut Draft<'_>, nonce: &str, ledger: &Ledger) {
    let bound = draft.status.mirror.as_ref().is_some_and(|m| m.bound_at.is_some() && m.synced.is_none());
    let ours = draft.status.nonce.as_deref() == Some(nonce);
    if draft.status.phase != Phase::Mirroring || !ours || !bound || !fits(draft, ledger, SYNCED_BYTES_MAX) {
        return;
    }
    if let Some(mirror) = &mut draft.status.mirror {
        mirror.synced = Some(ledger.clone());
    }
}

/// The source has stopped. A process without the nonce is a fresh one: its ledger says nothing about the old one's.
fn stopped(draft: &mut Draft<'_>, nonce: Option<&str>, ledger: &Ledger) {
    if draft.status.phase != Phase::SwitchingOver || draft.handover().stopped_at.is_some() {
        return;
    }
    let same_ram = nonce.is_some() && nonce == draft.status.nonce.as_deref();
    let known = same_ram && fits(draft, ledger, STOPPED_BYTES_MAX);
    // Without the ledger the target cannot be compared with its source, so as long as there is a way back that is the better one.
    if same_ram && !known && !draft.forward_only() {
        return;
    }
    let now = draft.now;
    let handover = draft.handover();
    handover.stopped_at = Some(now);
    handover.stopped = known.then(|| ledger.clone());
}

/// Whether a ledger can be recorded. With one that cannot there is no handover, and the source still has everything.
fn fits(draft: &mut Draft<'_>, ledger: &Ledger, most: usize) -> bool {
    let bytes = ledger.wire_bytes();
    if bytes <= most {
        return true;
    }
    let message = format!(
        "the source's ledger names {} producers in {bytes} bytes, and at most {most} bytes can be recorded: docs/operations.md says what to do",
        ledger.producers()
    );
    draft.abort(reason::LEDGER_TOO_LARGE, message);
    false
}

/// Measures at most this often: a rate needs some messages to be one.
const MEASURE_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

fn progress(draft: &mut Draft<'_>, read: u64, applied: u64, skipped: u64, held: u64) {
    if draft.status.phase != Phase::Replaying {
        return;
    }
    if let Some(impossible) = [read, applied, skipped, held].into_iter().find(|number| *number > NUMBER_MAX) {
        let message = format!(
            "the target says that it counted {impossible} messages: it does not keep to docs/app-contract.md"
        );
        draft.degraded(reason::REPLY_IMPOSSIBLE, message);
        return;
    }
    let Some(arrived) = draft.seen.replay_end.filter(|end| *end <= NUMBER_MAX) else { return };
    let now = draft.now;
    let measured_at = draft.status.replay.as_ref().and_then(|replay| replay.measured_at);
    let elapsed = measured_at.map_or(MEASURE_EVERY, |at| draft.since(at));
    if elapsed < MEASURE_EVERY {
        return;
    }
    let replay = draft.status.replay.get_or_insert_default();
    cutoff::measure(replay, cutoff::Sample { arrived, read, applied }, elapsed);
    replay.measured_at = Some(now);
    replay.skipped = skipped;
    replay.held = held;
    replay.held_since = if held == 0 { None } else { replay.held_since.or(Some(now)) };
}

fn drained(draft: &mut Draft<'_>, session: &str, round: u32, ledger: &Ledger) {
    let Some(handover) = &mut draft.status.handover else { return };
    if handover.round_session.as_deref() != Some(session) || handover.round != round {
        return;
    }
    // The application compared already; a wrong comparison there must not cost a message here.
    if let Some(stopped) = handover.stopped.as_ref().filter(|_| !seeded_bug::is(SeededBug::DrainedWithGap)) {
        let missing = ledger.missing_from(stopped, MISSING_MAX);
        if !missing.is_empty() {
            gap(draft, session, round, missing);
            return;
        }
    }
    handover.drained_session = Some(session.to_owned());
    handover.drained_round = round;
    handover.gap_at = None;
    handover.missing.clear();
    draft.recovered(reason::GAP, "the target lacked something for a moment, and has it now");
}

fn gap(draft: &mut Draft<'_>, session: &str, round: u32, mut missing: Vec<MissingMessages>) {
    // Which messages are missing is for a person; that some are is what counts.
    missing.retain(|run| run.first <= run.last && run.last <= NUMBER_MAX);
    missing.truncate(MISSING_MAX);
    let now = draft.now;
    let Some(handover) = &mut draft.status.handover else { return };
    let current = handover.round_session.as_deref() == Some(session) && handover.round == round;
    if current && handover.gap_at.is_none() {
        handover.gap_at = Some(now);
        let sentence = describe(&missing);
        handover.missing = missing;
        draft.degraded(reason::GAP, format!("the target lacks messages of the source's state: {sentence}"));
    }
}

/// The missing messages, for a person.
pub(super) fn describe(missing: &[MissingMessages]) -> String {
    let shown: Vec<String> =
        missing.iter().take(10).map(|m| format!("{} {}-{}", m.producer, m.first, m.last)).collect();
    let more = missing.len().saturating_sub(shown.len());
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more ranges", shown.join(", ")) }
}
