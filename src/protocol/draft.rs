use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use jiff::{Timestamp, TimestampRound, Unit};
use ms2m_app::contract::CommandBody;

use super::{Decision, Effect, Life, Migration, Observation, PodFacts, PodView, table};
use crate::api::{
    Abort, CleanupProgress, Condition, ConditionStatus, HandoverStatus, Outcome, Phase, PhaseTransition,
    Span, StatefulMigrationStatus, condition, reason,
};

/// A decision in the making: the status that becomes, and what it asks for.
pub(super) struct Draft<'a> {
    pub(super) migration: Migration<'a>,
    pub(super) seen: &'a Observation,
    /// Rounded to the millisecond, which is what the status keeps.
    pub(super) now: Timestamp,
    pub(super) status: StatefulMigrationStatus,
    /// The answer to `PROBE` that came with this observation, if one did.
    pub(super) probed: Option<Probed>,
    /// A process in the shadow pod said `HELLO` without this epoch's nonce.
    pub(super) restored_fresh: bool,
    effects: Vec<Effect>,
    ack: Vec<u64>,
    wake_in: Option<Duration>,
}

/// What the source says of itself.
#[derive(Clone, Debug)]
pub(super) struct Probed {
    pub(super) last_epoch: u64,
    pub(super) nonce: Option<String>,
    pub(super) owner: bool,
    pub(super) queue: Option<String>,
    pub(super) sequenced: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(migration: Migration<'a>, seen: &'a Observation, now: Timestamp) -> Self {
        let now = now.round(TimestampRound::new().smallest(Unit::Millisecond)).unwrap_or(now);
        let mut status = migration.status.clone();
        if status.phase_transitions.is_empty() {
            status.phase_transitions.push(PhaseTransition { phase: Phase::Pending, at: now });
        }
        status.observed_generation = seen.generation.or(status.observed_generation);
        Self {
            migration,
            seen,
            now,
            status,
            probed: None,
            restored_fresh: false,
            effects: Vec::new(),
            ack: Vec::new(),
            wake_in: None,
        }
    }

    pub(super) fn finish(self) -> Decision {
        // Nothing that is watched changes when a finalizer could not be removed: then it is tried again.
        let rests = self.status.phase.is_terminal() && self.effects.is_empty();
        let over = rests && !seeded_bug::is(SeededBug::NeverSilent);
        let requeue_after = if over { None } else { self.wake_in.or(Some(self.migration.intervals.idle)) };
        Decision { status: self.status, ack: self.ack, effects: self.effects, requeue_after }
    }

    pub(super) fn ack(&mut self, id: u64) {
        self.ack.push(id);
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        // An effect that is asked for twice is done once; and whoever asked wants to hear how it went.
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
        self.wake_after(self.migration.intervals.retry);
    }

    pub(super) fn command(&mut self, pod_uid: &str, epoch: u64, body: CommandBody) {
        self.emit(Effect::Command { pod_uid: pod_uid.to_owned(), epoch, body });
    }

    /// Looks again in `wait` at the latest.
    pub(super) fn wake_after(&mut self, wait: Duration) {
        self.wake_in = Some(self.wake_in.map_or(wait, |other| other.min(wait)));
    }

    /// Whether `wait` has passed since `since`; if not, looks again when it will have.
    pub(super) fn is_due(&mut self, since: Timestamp, wait: Duration) -> bool {
        let passed = self.since(since);
        if passed >= wait {
            return true;
        }
        self.wake_after(wait.saturating_sub(passed));
        false
    }

    /// Whether nobody has said anything for so long since then; who begins to listen begins to wait.
    pub(super) fn is_silent(&mut self, since: Timestamp, patience: Duration) -> bool {
        match self.seen.listening_since {
            _ if seeded_bug::is(SeededBug::TakeAbsenceForSilence) => self.is_due(since, patience),
            Some(listening) => self.is_due(since.max(listening), patience),
            None => {
                self.wake_after(patience);
                false
            }
        }
    }

    /// Whether something was never sent, or was sent so long ago that it is sent again.
    pub(super) fn is_due_again(&mut self, sent: Option<Timestamp>, wait: Duration) -> bool {
        sent.is_none_or(|sent| self.is_due(sent, wait))
    }

    /// How long ago that was; zero when a clock was set back.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        self.now.duration_since(then).try_into().unwrap_or(Duration::ZERO)
    }

    pub(super) fn phase_entered_at(&self) -> Timestamp {
        self.status.phase_transitions.last().map_or(self.now, |last| last.at)
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        debug_assert!(table::allows(self.status.phase, phase), "{:?} -> {phase:?}", self.status.phase);
        self.status.phase = phase;
        self.status.phase_transitions.push(PhaseTransition { phase, at: self.now });
        if !phase.is_terminal() {
            let message = table::row(phase).done.to_owned();
            self.set_condition(condition::PROGRESSING, ConditionStatus::True, reason::IN_PROGRESS, message);
        }
    }

    /// Ends the migration.
    pub(super) fn end(&mut self, result: Phase, reason: &str, message: String) {
        self.enter(result);
        // What the phase had asked for until then would be done after the end, and nobody would see what becomes of it.
        self.effects.clear();
        let started = self.status.phase_transitions.first().map_or(self.now, |first| first.at);
        let total = Span::from(self.since(started));
        self.status.outcome =
            Some(Outcome { result, reason: reason.to_owned(), message: message.clone(), total });
        self.set_condition(condition::PROGRESSING, ConditionStatus::False, reason, message.clone());
        let done = if result == Phase::Completed { ConditionStatus::True } else { ConditionStatus::False };
        let failed = if result == Phase::Completed { ConditionStatus::False } else { ConditionStatus::True };
        self.set_condition(condition::COMPLETED, done, reason, message.clone());
        self.set_condition(condition::FAILED, failed, reason, message);
    }

    pub(super) fn set_condition(
        &mut self,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        mut message: String,
    ) {
        // Applications and kubelets say it, at any length.
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        let observed_generation = self.status.observed_generation;
        let at = self.now.to_string();
        let new = |last_transition_time| Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
            last_transition_time,
            observed_generation,
        };
        match self.status.conditions.iter_mut().find(|old| old.type_ == type_) {
            Some(old) => {
                let at = if old.status == status { old.last_transition_time.clone() } else { at };
                *old = new(at);
            }
            None => self.status.conditions.push(new(at)),
        }
    }

    /// Something that a person should know, though the migration goes on.
    pub(super) fn degraded(&mut self, reason: &str, message: String) {
        self.set_condition(condition::DEGRADED, ConditionStatus::True, reason, message);
    }

    /// What was degraded for this reason is as it should be again.
    pub(super) fn recovered(&mut self, reason: &str, message: &str) {
        let degraded = |known: &Condition| {
            known.type_ == condition::DEGRADED
                && known.status == ConditionStatus::True
                && known.reason == reason
        };
        if self.status.conditions.iter().any(degraded) {
            self.set_condition(condition::DEGRADED, ConditionStatus::False, reason, message.to_owned());
        }
    }

    /// Wants the migration undone. Before an image exists that is decided at once; afterwards the source must first
    /// prove that its RAM is the one that was checkpointed, else the migration rolls forward.
    pub(super) fn abort(&mut self, reason: &str, message: String) {
        let phase = self.status.phase;
        let over = phase.is_terminal() || phase == Phase::RollingBack;
        if over || self.past_point_of_no_return() || self.status.abort.is_some() {
            return;
        }
        let has_image = self.has_image();
        let refused = has_image && self.source_life().is_lost();
        let unproven = seeded_bug::is(SeededBug::RollBackUnproven);
        let (proven, refused) = (!has_image || unproven, refused && !unproven);
        self.status.abort = Some(Abort {
            reason: reason.to_owned(),
            message,
            at: self.now,
            asked_at: None,
            proven,
            refused,
            silent: false,
        });
        if proven {
            self.enter(Phase::RollingBack);
        } else if !refused {
            self.wake_after(self.migration.intervals.retry);
        }
    }

    /// Asks a source for its proof once more that said nothing when it was asked, and that is not known to be gone: where the
    /// way forward is closed, it may be the only one that has the state. False when there is nobody to ask.
    pub(super) fn ask_again(&mut self) -> bool {
        let lost = self.source_life().is_lost();
        let asked = self.status.abort.as_mut().filter(|abort| abort.refused && abort.silent && !lost);
        let Some(abort) = asked else { return false };
        (abort.refused, abort.asked_at) = (false, None);
        self.wake_after(self.migration.intervals.retry);
        true
    }

    pub(super) fn has_image(&self) -> bool {
        self.status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.image_digest.is_some())
    }

    pub(super) fn past_point_of_no_return(&self) -> bool {
        self.status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some())
    }

    /// Whether the migration can no longer roll back, because the source could not prove itself.
    pub(super) fn forward_only(&self) -> bool {
        self.status.abort.as_ref().is_some_and(|abort| abort.refused)
    }

    pub(super) fn source_life(&self) -> Life {
        self.status.source.as_ref().map_or(Life::Unknown, |source| Life::of(source, self.seen))
    }

    pub(super) fn source_uid(&self) -> String {
        self.status.source.as_ref().map(|source| source.uid.clone()).unwrap_or_default()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.status.epoch.unwrap_or_default()
    }

    pub(super) fn session(&self) -> Option<String> {
        self.status.target.as_ref().and_then(|target| target.session.clone())
    }

    /// The shadow pod as it was seen, if there is one.
    pub(super) fn shadow(&self) -> Option<&'a PodFacts> {
        match &self.seen.shadow {
            Some(PodView::Present(pod)) => Some(pod),
            _ => None,
        }
    }

    pub(super) fn handover(&mut self) -> &mut HandoverStatus {
        self.status.handover.get_or_insert_default()
    }

    pub(super) fn cleanup(&mut self) -> &mut CleanupProgress {
        self.status.cleanup.get_or_insert_default()
    }
}

/// Bytes of a condition's message, as in Kubernetes' own API (`metav1.Condition`).
const MESSAGE_BYTES_MAX: usize = 32_768;
