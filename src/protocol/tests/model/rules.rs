//! What docs/protocol.md allows, as plain conditions on what was heard and seen.

use jiff::Timestamp;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::witness::{Debt, Witness, source_is_gone};
use crate::{
    api::{Abort, Phase, StatefulMigrationSpec, StatefulMigrationStatus},
    protocol::{Decision, Effect, JobView, Observation, PodView, QueueView},
};

pub(super) type Verdict = Result<(), TestCaseError>;

/// One decision and everything that it could go by.
pub(super) struct Turn<'a> {
    pub(super) spec: &'a StatefulMigrationSpec,
    pub(super) before: &'a StatefulMigrationStatus,
    pub(super) seen: &'a Observation,
    pub(super) now: Timestamp,
    pub(super) decision: &'a Decision,
    pub(super) witness: &'a Witness,
    /// Nobody has said yet what need not be true.
    pub(super) honest: bool,
}

pub(super) fn passed(status: &StatefulMigrationStatus) -> bool {
    status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some())
}

fn has_image(status: &StatefulMigrationStatus) -> bool {
    status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.image_digest.is_some())
}

pub(super) fn session(status: &StatefulMigrationStatus) -> Option<String> {
    status.target.as_ref().and_then(|target| target.session.clone())
}

pub(super) fn ms(from: Timestamp, to: Timestamp) -> i128 {
    to.duration_since(from).as_millis()
}

impl Turn<'_> {
    pub(super) fn check(&self) -> Verdict {
        let Decision { status, ack, effects, requeue_after } = self.decision;
        let replies: Vec<u64> = self.seen.replies.iter().map(|reply| reply.id).collect();
        prop_assert_eq!(ack, &replies, "every reply is acked when its effect is recorded");
        let rests = status.phase.is_terminal() && effects.is_empty();
        prop_assert_eq!(requeue_after.is_none(), rests, "what is over and has nothing left to do rests");
        self.phases()?;
        self.point_of_no_return()?;
        self.stopped()?;
        self.gaps()?;
        self.patience()?;
        self.ends_what_is_over()?;
        let last = |effect: &Effect| *effect == Effect::RemoveFinalizer;
        prop_assert!(
            !status.phase.is_terminal() || effects.iter().all(last),
            "it asks for something at its end"
        );
        self.replaces_what_ended()?;
        self.speaks_with_the_newest()?;
        for (index, effect) in effects.iter().enumerate() {
            self.effect(effect).map_err(|error| TestCaseError::fail(format!("{effect:?}: {error}")))?;
            prop_assert!(!effects[..index].contains(effect), "{:?} is asked for twice", effect);
        }
        writable(status)
    }

    /// An object that somebody deletes goes when its migration is over.
    fn ends_what_is_over(&self) -> Verdict {
        let over = self.before.phase.is_terminal() && self.seen.deletion_requested;
        let released = self.decision.effects == [Effect::RemoveFinalizer];
        prop_assert!(!over || released, "the object is kept");
        Ok(())
    }

    /// A shadow that ended before it was needed no more makes room for another.
    fn replaces_what_ended(&self) -> Verdict {
        let status = &self.decision.status;
        let needed = [Phase::Restoring, Phase::Replaying, Phase::SwitchingOver].contains(&status.phase)
            && self.before.phase == status.phase
            && status.abort.is_none()
            && self.witness.switched.is_empty();
        let Some(PodView::Present(pod)) = self.seen.shadow.as_ref().filter(|_| needed) else { return Ok(()) };
        let goes = self.decision.effects.contains(&Effect::DeleteShadow { uid: pod.uid.clone() });
        prop_assert!(goes || !pod.ended || pod.terminating, "the shadow has ended, and is kept");
        Ok(())
    }

    /// Another session of a copy is another process, or one that lost its connection: the old one is never spoken with again.
    fn speaks_with_the_newest(&self) -> Verdict {
        let target = self.decision.status.target.clone().unwrap_or_default();
        let Some((uid, session)) = &self.witness.newest else { return Ok(()) };
        let another = target.uid.as_ref() == Some(uid) && target.session.as_ref() != Some(session);
        let moving = (Phase::Restoring..=Phase::SwitchingOver).contains(&self.before.phase);
        prop_assert!(!another || !moving, "it speaks with {:?}, not {}", target.session, session);
        Ok(())
    }

    /// The phases that this decision goes through, the one it began in included.
    pub(super) fn through(&self) -> Vec<Phase> {
        let known = self.before.phase_transitions.len().max(1);
        let new =
            self.decision.status.phase_transitions.iter().skip(known).map(|transition| transition.phase);
        std::iter::once(self.before.phase).chain(new).collect()
    }

    fn phases(&self) -> Verdict {
        let through = self.through();
        prop_assert_eq!(through.last(), Some(&self.decision.status.phase));
        for pair in through.windows(2) {
            self.enters(pair[0], pair[1])
                .map_err(|error| TestCaseError::fail(format!("{:?} -> {:?}: {error}", pair[0], pair[1])))?;
        }
        Ok(())
    }

    /// Whether that edge exists, and what makes it passable is the case.
    fn enters(&self, from: Phase, to: Phase) -> Verdict {
        let (status, witness) = (&self.decision.status, self.witness);
        let checkpoint = status.checkpoint.clone().unwrap_or_default();
        match (from, to) {
            (Phase::Pending, Phase::Mirroring) => {
                let Some((last_epoch, _, owner)) = &witness.probed else {
                    return Err(TestCaseError::fail("nobody answered PROBE"));
                };
                prop_assert!(*owner, "the source does not own the queue");
                prop_assert_eq!(status.epoch, last_epoch.checked_add(1));
                prop_assert_eq!(status.nonce.as_ref(), Some(&self.seen.fresh_nonce));
            }
            (Phase::Mirroring, Phase::Checkpointing) => {
                let heard = status.epoch.and_then(|epoch| witness.synced.get(&epoch));
                prop_assert!(heard.is_some(), "SYNCED was not heard");
                prop_assert_eq!(status.mirror.as_ref().and_then(|mirror| mirror.synced.as_ref()), heard);
            }
            (Phase::Checkpointing, Phase::Transferring) => {
                prop_assert!(checkpoint.archive.is_some_and(|path| witness.archives.contains(&path)));
            }
            (Phase::Transferring, Phase::Restoring) => {
                prop_assert!(
                    matches!(self.seen.transfer_job, Some(JobView::Succeeded { .. })),
                    "the Job has not ended"
                );
                prop_assert!(checkpoint.image.is_some() && checkpoint.image_digest.is_some());
            }
            (Phase::Restoring, Phase::Replaying) => prop_assert!(self.session_is_proven(), "no valid HELLO"),
            (Phase::Replaying, Phase::SwitchingOver) => {
                prop_assert!(session(status).is_some_and(|session| witness.started.contains(&session)));
            }
            (Phase::SwitchingOver, Phase::Completed) => self.completes()?,
            (Phase::RollingBack, Phase::RolledBack) => self.is_rolled_back()?,
            (
                Phase::RollingBack | Phase::Restoring | Phase::Replaying | Phase::SwitchingOver,
                Phase::Failed,
            ) => {
                let outcome = status.outcome.as_ref();
                prop_assert!(outcome.is_some_and(|outcome| !outcome.message.is_empty()), "it says nothing");
                if from == Phase::RollingBack {
                    self.is_undone()?;
                }
            }
            (from, Phase::RollingBack) if from < Phase::Completed => self.rolls_back()?,
            _ => return Err(TestCaseError::fail("there is no such edge")),
        }
        Ok(())
    }

    pub(super) fn session_is_proven(&self) -> bool {
        let target = self.decision.status.target.clone().unwrap_or_default();
        let (Some(uid), Some(session)) = (target.uid, target.session) else { return false };
        self.witness.copies.contains(&(uid, session))
    }

    fn rolls_back(&self) -> Verdict {
        prop_assert!(!passed(&self.decision.status), "the point of no return is passed");
        prop_assert!(self.decision.status.abort.is_some(), "it does not say why");
        if has_image(self.before) {
            let shown = self.witness.probed.as_ref().and_then(|(_, nonce, _)| nonce.clone());
            prop_assert!(shown.is_some() && shown == self.before.nonce, "the source has not shown its nonce");
        }
        Ok(())
    }

    /// Nothing is owed of what was asked for; what could not be deleted is reported.
    fn is_undone(&self) -> Verdict {
        let mut owed = self.witness.owed.clone();
        if self.decision.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.checkpoint_left.is_some()) {
            owed.remove(&Debt::Archive);
        }
        prop_assert!(owed.is_empty(), "not undone: {:?}", owed);
        let shadows = &self.witness.shadows;
        prop_assert!(shadows.is_empty(), "the control queues of {:?} are left", shadows);
        Ok(())
    }

    fn is_rolled_back(&self) -> Verdict {
        prop_assert!(!passed(&self.decision.status));
        if self.before.source.is_some() {
            prop_assert!(matches!(self.seen.source, Some(PodView::Present(_))), "nobody owns the queue");
        }
        self.is_undone()
    }

    fn completes(&self) -> Verdict {
        let mut owed = self.witness.owed.clone();
        owed.remove(&Debt::Shadow);
        if self.decision.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.checkpoint_left.is_some()) {
            owed.remove(&Debt::Archive);
        }
        prop_assert!(owed.is_empty(), "left over: {:?}", owed);
        let target = self.decision.status.target.clone().unwrap_or_default();
        let replaced = |shadow: &&String| target.uid.as_ref() != Some(*shadow);
        let retired: Vec<&String> = self.witness.shadows.iter().filter(replaced).collect();
        prop_assert!(retired.is_empty(), "the control queues of {:?} are left", retired);
        prop_assert!(passed(&self.decision.status) && self.witness.source_gone);
        prop_assert!(!self.witness.switched.is_empty(), "nobody took over");
        Ok(())
    }

    fn point_of_no_return(&self) -> Verdict {
        let status = &self.decision.status;
        let at =
            |status: &StatefulMigrationStatus| status.handover.as_ref().and_then(|h| h.point_of_no_return);
        if passed(self.before) {
            prop_assert_eq!(at(self.before), at(status), "the point of no return moved");
            return Ok(());
        }
        if !passed(status) {
            return Ok(());
        }
        let handover = status.handover.clone().unwrap_or_default();
        let session = session(status).unwrap_or_default();
        prop_assert!(self.session_is_proven(), "by a session that nobody proved");
        let Some(ledger) = self.witness.drained.get(&(session, handover.round)) else {
            return Err(TestCaseError::fail(
                "the point of no return is passed without the session's DRAINED",
            ));
        };
        prop_assert!(handover.stopped_at.is_some(), "the source is not stopped");
        prop_assert!(
            handover.stopped.is_none_or(|stopped| ledger.contains_all(&stopped)),
            "the target lacks messages"
        );
        prop_assert!(status.abort.as_ref().is_none_or(|abort| abort.refused), "it is being given up");
        Ok(())
    }

    /// A source counts as stopped when it says so; else when a `STOP` waits for it, nobody consumes, and it is gone or
    /// has been silent for longer than a dead connection lives.
    fn stopped(&self) -> Verdict {
        let at = |status: &StatefulMigrationStatus| status.handover.as_ref().and_then(|h| h.stopped_at);
        let status = &self.decision.status;
        if at(self.before).is_some() || at(status).is_none() {
            return Ok(());
        }
        let recorded = status.handover.as_ref().and_then(|handover| handover.stopped.clone());
        if let Some(heard) = &self.witness.stopped {
            prop_assert_eq!(heard, &recorded);
            return Ok(());
        }
        prop_assert_eq!(recorded, None, "nobody said what the source's state contains");
        prop_assert_eq!(self.seen.primary, Some(QueueView::Present { consumers: 0 }));
        let since = self
            .before
            .handover
            .as_ref()
            .and_then(|h| h.stop_first_sent_at)
            .or(self.witness.stop_waits_since);
        let Some(since) = since else { return Err(TestCaseError::fail("no STOP waits for the source")) };
        let gone = source_is_gone(self.before, self.seen);
        let silent_ms = self.seen.listening_since.map_or(0, |listening| ms(since.max(listening), self.now));
        prop_assert!(gone || silent_ms >= 20_000, "it was not waited for");
        let unowned_ms = self.seen.unowned_since.map_or(0, |unowned| ms(unowned, self.now));
        prop_assert!(gone || unowned_ms >= 5_000, "it may be about to answer");
        Ok(())
    }

    fn effect(&self, effect: &Effect) -> Verdict {
        self.not_too_soon(effect)?;
        if self.before.phase.is_terminal() {
            prop_assert!(matches!(effect, Effect::RemoveFinalizer), "a migration that is over does nothing");
        }
        match effect {
            Effect::PublishMarker { queue, marker } => self.marker(queue, marker),
            Effect::Command { pod_uid, epoch, body } => self.command(pod_uid, *epoch, body),
            Effect::DeclareReplies
            | Effect::LabelSource
            | Effect::MirrorReplay { .. }
            | Effect::Checkpoint { .. }
            | Effect::CreateTransferJob { .. }
            | Effect::CreateShadow { .. } => self.makes(effect),
            _ => self.unmakes(effect),
        }
    }

    fn is_in(&self, phases: &[Phase]) -> bool {
        self.through().iter().any(|phase| phases.contains(phase))
    }

    /// What has to be undone later.
    fn makes(&self, effect: &Effect) -> Verdict {
        let (status, seen) = (&self.decision.status, self.seen);
        let in_phase = |phases: &[Phase]| self.is_in(phases);
        match effect {
            Effect::DeclareReplies => prop_assert!(in_phase(&[Phase::Pending]) && status.source.is_some()),
            Effect::LabelSource => prop_assert!(in_phase(&[Phase::Mirroring])),
            Effect::MirrorReplay { bindings, .. } => {
                prop_assert!(in_phase(&[Phase::Mirroring]) && status.epoch.is_some());
                prop_assert_eq!(Some(bindings), status.mirror.as_ref().map(|mirror| &mirror.bindings));
            }
            Effect::Checkpoint { .. } => {
                prop_assert!(in_phase(&[Phase::Checkpointing]));
                prop_assert!(self.witness.failed_checkpoints < 5, "its budget is spent");
                prop_assert!(!matches!(&seen.source, Some(PodView::Present(pod)) if pod.ended));
            }
            Effect::CreateTransferJob { archive, .. } => {
                prop_assert!(in_phase(&[Phase::Transferring]) && self.witness.archives.contains(archive));
                prop_assert_eq!(&seen.transfer_job, &Some(JobView::Absent));
            }
            Effect::CreateShadow { .. } => {
                prop_assert!(in_phase(&[Phase::Restoring, Phase::Replaying, Phase::SwitchingOver]));
                prop_assert!(
                    has_image(status)
                        && seen.shadow == Some(PodView::Absent)
                        && self.witness.unbound.is_none()
                );
                let budget = if status.abort.as_ref().is_some_and(|abort| abort.refused) { 10 } else { 3 };
                let made = status.target.as_ref().map_or(0, |target| target.incarnations);
                // Nobody fails while a silent source may have its RAM: it is asked again, and one more is tried.
                let asked_again = |abort: &Abort| abort.silent && !abort.refused && abort.asked_at.is_none();
                let asked_again = status.abort.as_ref().is_some_and(asked_again);
                prop_assert!(passed(status) || made < budget || asked_again, "its budget is spent");
                let pauses = [0, 1, 2, 4, 8, 16, 30];
                let seen_at = status.target.as_ref().and_then(|target| target.seen_at);
                let since = seen_at.map(|seen| self.now.duration_since(seen).as_secs());
                let pause = pauses[usize::try_from(made).unwrap_or(usize::MAX).min(pauses.len() - 1)];
                prop_assert!(since.is_none_or(|since| since >= pause), "the next shadow comes too early");
            }
            _ => {}
        }
        Ok(())
    }

    /// What takes something down, or hands it over.
    fn unmakes(&self, effect: &Effect) -> Verdict {
        let (status, seen) = (&self.decision.status, self.seen);
        let in_phase = |phases: &[Phase]| self.is_in(phases);
        let back = in_phase(&[Phase::RollingBack]);
        let forward = passed(self.before) && in_phase(&[Phase::SwitchingOver]);
        match effect {
            Effect::DeleteShadow { uid } => {
                let Some(PodView::Present(pod)) = &seen.shadow else {
                    return Err(TestCaseError::fail("no shadow is there"));
                };
                prop_assert!(pod.uid == *uid && !pod.terminating);
                let moving = in_phase(&[Phase::Restoring, Phase::Replaying, Phase::SwitchingOver]);
                prop_assert!(moving || (back && pod.labelled));
            }
            Effect::RouteServices { shadow_uid } => {
                let target = status.target.clone().unwrap_or_default();
                prop_assert!(forward && target.uid.as_ref() == Some(shadow_uid));
                prop_assert!(target.session.is_some_and(|session| self.witness.switched.contains(&session)));
            }
            Effect::DeleteSource { uid } => {
                prop_assert_eq!(Some(uid), status.source.as_ref().map(|source| &source.uid));
                prop_assert!(forward && status.cleanup.as_ref().is_some_and(|cleanup| cleanup.routed));
                let session = session(status);
                prop_assert!(
                    session.is_some_and(|session| self.witness.switched.contains(&session)),
                    "NoEarlyKill"
                );
            }
            Effect::UnbindReplay { .. } => {
                prop_assert!(
                    back || (forward && self.witness.source_gone),
                    "the source is not verifiably gone"
                );
                prop_assert!(!back || self.shadow_is_gone());
            }
            Effect::DeleteReplay { .. } => prop_assert!((back || forward) && self.witness.unbound.is_some()),
            Effect::DeleteTransferJob | Effect::DeleteCleanupJob | Effect::DeleteReplies => {
                prop_assert!(back || forward);
            }
            Effect::CreateCleanupJob { image, .. } => {
                prop_assert!(back || forward);
                let under_way = self.witness.unheard.last().map(|asked| ms(*asked, self.now));
                prop_assert!(under_way.is_none_or(|for_ms| for_ms >= self.checkpoint_ms()), "{under_way:?}");
                prop_assert!(
                    image.is_none() || back || !self.spec.retain_checkpoint,
                    "the image is to be kept"
                );
            }
            Effect::DeleteControlQueue { pod_uid } => {
                let source = self.before.source.as_ref().is_some_and(|source| source.uid == *pod_uid);
                prop_assert!(
                    (back || forward)
                        && (!source || self.witness.source_gone || source_is_gone(self.before, self.seen))
                );
                let target =
                    status.target.as_ref().is_some_and(|target| target.uid.as_ref() == Some(pod_uid));
                prop_assert!(!target || back, "the new owner's control queue");
            }
            Effect::UnlabelSource => prop_assert!(back),
            Effect::RemoveFinalizer => {
                prop_assert!(status.phase.is_terminal() && seen.deletion_requested);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn shadow_is_gone(&self) -> bool {
        self.decision.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.shadow_gone)
            && !self.witness.owed.contains(&Debt::Shadow)
    }
}

/// Bytes of a condition's message in Kubernetes' own API.
const MESSAGE_BYTES_MAX: usize = 32_768;

/// The API server takes integers of 64 bits with a sign, and etcd no more than a megabyte and a half.
fn writable(status: &StatefulMigrationStatus) -> Verdict {
    let value = serde_json::to_value(status).expect("a status is JSON");
    let mut rest = vec![&value];
    while let Some(value) = rest.pop() {
        match value {
            serde_json::Value::Number(number) => {
                prop_assert!(
                    number.is_i64() || number.is_f64(),
                    "{} does not fit the API server's integers",
                    number
                );
            }
            serde_json::Value::Array(values) => rest.extend(values),
            serde_json::Value::Object(fields) => rest.extend(fields.values()),
            _ => {}
        }
    }
    for condition in &status.conditions {
        prop_assert!(
            condition.message.len() <= MESSAGE_BYTES_MAX,
            "{} bytes are said",
            condition.message.len()
        );
        prop_assert!(!condition.reason.is_empty(), "a condition without a reason");
    }
    Ok(())
}
