//! What the operator was told, what it asked for, and what is still to be undone, written down beside its own status.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ms2m_app::{
    Ledger,
    contract::{CommandBody, Marker, MissingMessages, Reply, ReplyBody},
};

use crate::{
    api::{Phase, StatefulMigrationStatus},
    protocol::{
        Effect, EffectOutcome, EffectReport, JobView, Observation, PodView,
        tests::{script::spec, world::MIGRATION},
    },
};

/// Something that a migration may leave behind: owed from the moment that it is asked for, whether or not it was heard
/// that it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Debt {
    Replies,
    Label,
    Binding,
    Replay,
    Archive,
    TransferJob,
    Shadow,
    Stop,
}

/// A session's `END` of one round.
pub(super) type Round = (String, u32);

#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    pub(super) owed: BTreeSet<Debt>,
    /// Shadow pods that were there, and whose control queues may be.
    pub(super) shadows: BTreeSet<String>,
    /// The answer to `PROBE` that came in this turn: epoch, nonce, whether it owns.
    pub(super) probed: Option<(u64, Option<String>, bool)>,
    /// By epoch.
    pub(super) synced: BTreeMap<u64, Ledger>,
    /// When the source was first asked for the proof that is waited for, or could not be.
    pub(super) asked: Option<Timestamp>,
    pub(super) archives: BTreeSet<String>,
    /// Pod and session of every copy that proved itself.
    pub(super) copies: BTreeSet<(String, String)>,
    /// The one of them that was the last to say something new.
    pub(super) newest: Option<(String, String)>,
    pub(super) started: BTreeSet<String>,
    /// When `STOP` was first known to be in the control queue, or to have nobody to go to.
    pub(super) stop_waits_since: Option<Timestamp>,
    /// The ledger of the first `STOPPED`; none inside when it came from a fresh process.
    pub(super) stopped: Option<Option<Ledger>>,
    pub(super) drained: BTreeMap<Round, Ledger>,
    pub(super) gaps: BTreeSet<Round>,
    pub(super) gap_now: bool,
    /// The round whose session said in this turn, and last, that it has everything.
    pub(super) complete_now: Option<Round>,
    /// The round whose session lacked something when it spoke last, and what.
    pub(super) lacking: Option<(Round, Vec<MissingMessages>)>,
    pub(super) switched: BTreeSet<String>,
    pub(super) source_gone: bool,
    /// When the replay queue was first known to have lost its bindings.
    pub(super) unbound: Option<Timestamp>,
    pub(super) failed_checkpoints: u32,
    /// When each checkpoint was asked for of which nobody heard how it went.
    pub(super) unheard: Vec<Timestamp>,
    /// When each thing that is said again after a while was last known to be said.
    pub(super) said: BTreeMap<String, Timestamp>,
}

impl Witness {
    /// Takes in what is observed, as the written status stands.
    pub(super) fn hear(&mut self, before: &StatefulMigrationStatus, seen: &Observation, now: Timestamp) {
        self.probed = None;
        // One that said nothing is asked anew.
        let is_anew = before.abort.as_ref().is_some_and(|abort| abort.silent && abort.asked_at.is_none());
        if !waits_for_proof(before) || is_anew {
            self.asked = None;
        }
        self.gap_now = false;
        self.complete_now = None;
        for reply in seen.replies.iter().filter_map(|pending| pending.reply.as_ref()) {
            if reply.migration == MIGRATION {
                self.hear_reply(before, seen, reply);
            }
        }
        for outcome in &seen.outcomes {
            self.note(outcome, before, seen, now);
        }
        self.look(before, seen);
    }

    fn hear_reply(&mut self, before: &StatefulMigrationStatus, seen: &Observation, reply: &Reply) {
        let from_source = before.source.as_ref().is_some_and(|source| source.uid == reply.pod_uid);
        let of_epoch = before.epoch == Some(reply.epoch);
        let handover = before.handover.clone().unwrap_or_default();
        let asked = |session: &String, round: u32| {
            of_epoch && handover.round_session.as_ref() == Some(session) && handover.round == round
        };
        match &reply.body {
            ReplyBody::Probed { last_epoch, nonce, owner, queue, .. } if from_source => {
                self.probed = Some((*last_epoch, nonce.clone(), *owner && is_named(queue.as_deref())));
            }
            ReplyBody::Synced { nonce, ledger } if from_source && of_epoch => {
                let bound = before.mirror.as_ref().is_some_and(|mirror| mirror.bound_at.is_some());
                if bound && before.phase == Phase::Mirroring && before.nonce.as_ref() == Some(nonce) {
                    self.synced.entry(reply.epoch).or_insert_with(|| ledger.clone());
                }
            }
            ReplyBody::Hello { session, nonce, ledger } => {
                let current = matches!(&seen.shadow, Some(PodView::Present(pod)) if pod.uid == reply.pod_uid);
                let synced = before.epoch.and_then(|epoch| self.synced.get(&epoch));
                let proven = nonce.is_some()
                    && *nonce == before.nonce
                    && synced.is_some_and(|synced| ledger.contains_all(synced));
                let matters = (Phase::Restoring..=Phase::SwitchingOver).contains(&before.phase)
                    || before.phase == Phase::RollingBack;
                if proven && matters && !from_source {
                    self.shadows.insert(reply.pod_uid.clone());
                }
                if current && proven {
                    let copy = (reply.pod_uid.clone(), session.clone());
                    if self.copies.insert(copy.clone()) && !before.phase.is_terminal() {
                        self.newest = Some(copy);
                    }
                }
            }
            ReplyBody::ReplayStarted { session } if of_epoch => {
                self.started.insert(session.clone());
            }
            ReplyBody::Stopped { nonce, ledger }
                if from_source && of_epoch && before.phase == Phase::SwitchingOver =>
            {
                let same = nonce.is_some() && *nonce == before.nonce;
                self.stopped.get_or_insert_with(|| same.then(|| ledger.clone()));
            }
            ReplyBody::Resumed { .. } if from_source && of_epoch && before.phase == Phase::RollingBack => {
                self.owed.remove(&Debt::Stop);
            }
            ReplyBody::Drained { session, round, ledger } if asked(session, *round) => {
                let missing = handover.stopped.map(|stopped| ledger.missing_from(&stopped, usize::MAX));
                let round = (session.clone(), *round);
                self.drained.insert(round.clone(), ledger.clone());
                match missing.filter(|missing| !missing.is_empty()) {
                    Some(missing) => self.lacks(round, &missing),
                    None => {
                        self.lacking = None;
                        // What closes before anybody looks need not be told.
                        self.gap_now = false;
                        self.complete_now = Some(round);
                    }
                }
            }
            ReplyBody::Gap { session, round, missing } if asked(session, *round) => {
                let round = (session.clone(), *round);
                self.gap_now |= !self.drained.contains_key(&round);
                self.gaps.insert(round.clone());
                self.lacks(round, missing);
            }
            ReplyBody::Switched { session, .. } if of_epoch && handover.point_of_no_return.is_some() => {
                self.switched.insert(session.clone());
            }
            _ => {}
        }
    }

    /// What a session says first that it lacks counts, until it says that it has it or is asked anew.
    fn lacks(&mut self, round: Round, missing: &[MissingMessages]) {
        self.complete_now = None;
        if self.lacking.as_ref().is_none_or(|(known, _)| *known != round) {
            self.lacking = Some((round, missing.to_vec()));
        }
    }

    /// What became of an effect.
    fn note(
        &mut self,
        outcome: &EffectOutcome,
        before: &StatefulMigrationStatus,
        seen: &Observation,
        now: Timestamp,
    ) {
        if matches!(outcome.effect, Effect::Command { body: CommandBody::Probe, .. })
            && waits_for_proof(before)
        {
            self.asked.get_or_insert(now);
        }
        let stops = matches!(outcome.effect, Effect::Command { body: CommandBody::Stop, .. });
        // There is nobody left who could be told.
        let told = outcome.result.is_ok() || source_is_gone(before, seen);
        if stops && told {
            self.stop_waits_since.get_or_insert(now);
        }
        if matches!(outcome.effect, Effect::Checkpoint { .. }) {
            match &outcome.result {
                Ok(_) => self.unheard.clear(),
                Err(failure) if failure.unheard => {}
                Err(_) => drop(self.unheard.pop()),
            }
        }
        let Ok(report) = &outcome.result else {
            self.failed_checkpoints += u32::from(matches!(outcome.effect, Effect::Checkpoint { .. }));
            return;
        };
        if let Some(saying) = saying(&outcome.effect) {
            self.said.insert(saying, now);
        }
        match &outcome.effect {
            Effect::Checkpoint { .. } => {
                if let EffectReport::Archive { path } = report {
                    self.archives.insert(path.clone());
                }
            }
            Effect::UnbindReplay { .. } => {
                self.unbound.get_or_insert(now);
                self.owed.remove(&Debt::Binding);
            }
            Effect::DeleteReplay { .. } => {
                self.owed.remove(&Debt::Replay);
            }
            Effect::DeleteControlQueue { pod_uid } => {
                self.shadows.remove(pod_uid);
            }
            Effect::DeleteReplies => {
                self.owed.remove(&Debt::Replies);
            }
            Effect::UnlabelSource if before.phase == Phase::RollingBack => {
                self.owed.remove(&Debt::Label);
            }
            _ => {}
        }
    }

    fn look(&mut self, before: &StatefulMigrationStatus, seen: &Observation) {
        if source_is_gone(before, seen) {
            self.source_gone |= !source_is_there(before, seen);
            self.owed.remove(&Debt::Label);
            self.owed.remove(&Debt::Stop);
        }
        if seen.transfer_job == Some(JobView::Absent) {
            self.owed.remove(&Debt::TransferJob);
        }
        if matches!(seen.cleanup_job, Some(JobView::Succeeded { .. })) {
            self.owed.remove(&Debt::Archive);
        }
        if let Some(PodView::Present(pod)) = &seen.shadow
            && pod.labelled
            && (Phase::Restoring..=Phase::SwitchingOver).contains(&before.phase)
        {
            self.shadows.insert(pod.uid.clone());
        }
        let ours = matches!(&seen.shadow, Some(PodView::Present(pod)) if pod.labelled);
        if seen.shadow.is_some() && !ours {
            self.owed.remove(&Debt::Shadow);
        }
    }

    /// An effect is asked for: from now on it may have happened.
    pub(super) fn ask(&mut self, effect: &Effect, now: Timestamp) {
        if matches!(effect, Effect::Checkpoint { .. }) {
            self.unheard.push(now);
        }
        let debts: &[Debt] = match effect {
            Effect::DeclareReplies => &[Debt::Replies],
            Effect::LabelSource => &[Debt::Label],
            Effect::MirrorReplay { .. } => &[Debt::Binding, Debt::Replay],
            Effect::Checkpoint { .. } => &[Debt::Archive],
            Effect::CreateTransferJob { .. } => &[Debt::TransferJob],
            Effect::CreateShadow { .. } => &[Debt::Shadow],
            Effect::Command { body: CommandBody::Stop, .. } => &[Debt::Stop],
            _ => &[],
        };
        self.owed.extend(debts);
    }
}

/// Whether the pod that is recorded as the source is there, ended or not.
fn source_is_there(before: &StatefulMigrationStatus, seen: &Observation) -> bool {
    let uid = before.source.as_ref().map(|source| &source.uid);
    matches!(&seen.source, Some(PodView::Present(pod)) if Some(&pod.uid) == uid)
}

/// Whether nothing of the source runs any more.
pub(super) fn source_is_gone(before: &StatefulMigrationStatus, seen: &Observation) -> bool {
    let ended = matches!(&seen.source, Some(PodView::Present(pod)) if pod.ended);
    before.source.is_some() && seen.source.is_some() && (ended || !source_is_there(before, seen))
}

/// What is said again only after a while, by what makes it another saying.
pub(super) fn saying(effect: &Effect) -> Option<String> {
    match effect {
        Effect::PublishMarker { marker: Marker::Sync { nonce, .. }, .. } => Some(format!("SYNC {nonce}")),
        Effect::PublishMarker { marker: Marker::End { session, round, .. }, .. } => {
            Some(format!("END {session} {round}"))
        }
        Effect::Command { body, .. } => match body {
            CommandBody::Probe => Some("PROBE".to_owned()),
            CommandBody::StartReplay { session, .. } => Some(format!("START_REPLAY {session}")),
            CommandBody::Stop => Some("STOP".to_owned()),
            CommandBody::Resume => Some("RESUME".to_owned()),
            CommandBody::TakeOver { session } => Some(format!("TAKE_OVER {session}")),
            CommandBody::EndReplay { .. } => None,
        },
        _ => None,
    }
}

fn waits_for_proof(before: &StatefulMigrationStatus) -> bool {
    before.abort.as_ref().is_some_and(|abort| !abort.proven && !abort.refused)
}

/// Whether it is the queue that the migration names.
fn is_named(queue: Option<&str>) -> bool {
    queue == Some(spec().broker.queue.as_str())
}
