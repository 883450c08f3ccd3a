use super::{
    Arrival, Origin, Ram,
    ram::{Complete, Role, Subscription},
    step::Say,
};
use crate::seeded_bug::{self, SeededBug};
use crate::{
    Standing,
    contract::{MessageId, MissingMessages, ReplyBody},
    ledger::FIRST,
};

/// How many ranges of missing messages a `GAP` names.
const MISSING_MAX: usize = 100;

impl<S> Ram<S> {
    /// Says what is due of its own accord: `HELLO` until it is heard, `PROGRESS` while replaying. True when it did.
    pub(super) fn speak(&mut self) -> bool {
        if self.answer_rounds() {
            return true;
        }
        if self.role() != Role::Target {
            return false;
        }
        let (Some(participation), Some(target)) = (self.participation.clone(), &self.target) else {
            return false;
        };
        let session = target.session.clone();
        let say = |body| Say {
            migration: participation.migration.clone(),
            epoch: participation.epoch,
            body,
            answers: None,
        };
        if target.replay_queue.is_none() {
            if !std::mem::take(&mut self.line.hello_due) {
                return false;
            }
            let nonce = participation.nonce.clone();
            self.say(say(ReplyBody::Hello { session, nonce, ledger: self.ledger.clone() }));
            return true;
        }
        let (read, applied, skipped) = (target.read, target.applied, target.skipped);
        let open = self.line.replay == Subscription::Open;
        if !open || !std::mem::take(&mut self.line.progress_due) {
            return false;
        }
        let held = self.line.ahead_in_replay.len() as u64;
        self.say(say(ReplyBody::Progress { session, read, applied, skipped, held }));
        true
    }

    /// What a message of `R` is to this state. Here a producer that it does not know begins with its first message, or where
    /// the source began to know it: anything earlier may have gone past `R`, and come out of `Q`.
    pub(super) fn standing_in_replay(&self, id: &MessageId) -> Standing {
        let is_told = id.seq <= FIRST || self.ledger.knows(&id.producer);
        if is_told || seeded_bug::is(SeededBug::TakeMiddleForBeginning) {
            return self.ledger.standing(id);
        }
        let begins = match self.target.as_ref().and_then(|target| target.complete.as_ref()) {
            None => false,
            Some(Complete::Known(source)) => source.begins_with(id),
            // Nobody can tell: it may have been before the state began, unless that began before everybody.
            Some(Complete::Unknown) => !self.began_before_everybody(),
        };
        if begins { Standing::Next } else { Standing::Ahead }
    }

    /// A message of `R` that was set aside and need not wait any more.
    pub(super) fn due_in_replay(&self) -> Option<&MessageId> {
        self.line.ahead_in_replay.keys().find(|id| self.standing_in_replay(id) != Standing::Ahead)
    }

    /// Notes what a new owner can never get, because nobody can tell what the source had: `id` is about to be applied.
    pub(super) fn note_missed(&mut self, id: &MessageId) {
        let shows = id.seq > FIRST && !self.ledger.knows(&id.producer) && self.began_before_everybody();
        if let Some(target) = self.target.as_mut().filter(|target| !target.finished)
            && target.complete == Some(Complete::Unknown)
            && shows
        {
            target.missed.push(MissingMessages {
                producer: id.producer.clone(),
                first: FIRST,
                last: id.seq - 1,
            });
        }
    }

    /// Whether the state knows somebody, and began before everybody. One producer that a new owner had to take from its
    /// middle was missed, and says nothing about the others.
    fn began_before_everybody(&self) -> bool {
        let missed = self.target.as_ref().is_some_and(|target| !target.missed.is_empty());
        missed || self.ledger.knows_beginnings()
    }

    fn is_current(&self, session: &str) -> bool {
        self.target.as_ref().is_some_and(|target| target.session == session)
    }

    pub(super) fn start_replay(&mut self, tag: u64, session: &str, replay_queue: String) {
        let current = self.is_current(session);
        let Some(target) = self.target.as_mut().filter(|_| current) else {
            self.ignore(tag);
            return;
        };
        target.replay_queue = Some(replay_queue);
        self.line.control_acks.push_back(tag);
        if self.line.replay == Subscription::Open {
            self.say_replay_started();
        }
    }

    /// `R` is being read from its start.
    pub(super) fn replay_opened(&mut self) {
        if let Some(target) = &mut self.target {
            (target.read, target.applied, target.skipped) = (0, 0, 0);
        }
        self.line.ahead_in_replay.clear();
        self.say_replay_started();
    }

    /// `R` is not there. An owner has nothing left to read then.
    pub(super) fn replay_missing(&mut self) {
        let owns = self.role() != Role::Target;
        if let Some(target) = self.target.as_mut().filter(|_| owns) {
            target.finished = true;
            self.unsequenced.replay_is_over();
        }
    }

    fn say_replay_started(&mut self) {
        let (Some(participation), Some(target)) = (self.participation.clone(), self.target.clone()) else {
            return;
        };
        self.say(Say {
            migration: participation.migration,
            epoch: participation.epoch,
            body: ReplyBody::ReplayStarted { session: target.session },
            answers: None,
        });
    }

    pub(super) fn count_read(&mut self, arrival: &Arrival, known: bool) {
        if arrival.origin == Origin::Replay
            && arrival.tag != 0
            && let Some(target) = &mut self.target
        {
            target.read += 1;
            target.skipped += u64::from(known);
        }
    }

    pub(super) fn end_read(&mut self, session: &str, round: u32) {
        if self.is_current(session) {
            if let Some(target) = &mut self.target {
                target.rounds.insert(round);
            }
        } else {
            self.stats.stale_commands += 1;
        }
    }

    pub(super) fn end_replay(&mut self, tag: u64, session: &str, complete: Complete) {
        let current = self.is_current(session);
        let Some(target) = self.target.as_mut().filter(|_| current) else {
            self.ignore(tag);
            return;
        };
        target.complete = Some(complete);
        self.line.control_acks.push_back(tag);
    }

    /// Answers every `END` that was read, once it is known what complete means. True when there was one.
    fn answer_rounds(&mut self) -> bool {
        let Some(participation) = self.participation.clone() else { return false };
        if self.due_in_replay().is_some() {
            return false;
        }
        let Some(target) = &mut self.target else { return false };
        if target.rounds.is_empty() {
            return false;
        }
        // Only now: it is a ledger, and this is asked for each message.
        let Some(complete) = target.complete.clone() else { return false };
        let Some(round) = target.rounds.pop_first() else { return false };
        let session = target.session.clone();
        let missing = match &complete {
            _ if seeded_bug::is(SeededBug::DrainedWithGap) => Vec::new(),
            Complete::Known(source) => self.ledger.missing_from(source, MISSING_MAX),
            // What nobody can tell of the source, the log still tells: a held message shows that its predecessor is missing.
            Complete::Unknown => {
                let held = self.line.ahead_in_replay.keys().chain(self.line.ahead.keys());
                let mut missing = target.missed.clone();
                missing.extend(self.ledger.awaited_by(held, MISSING_MAX));
                missing.truncate(MISSING_MAX);
                missing
            }
        };
        let body = if missing.is_empty() {
            target.drained = true;
            if let Complete::Known(source) = &complete {
                // The source emitted these itself.
                let drops_all = seeded_bug::is(SeededBug::DropHeldOutputs);
                self.held_outputs.retain(|id, _| !drops_all && !source.contains(id));
            }
            ReplyBody::Drained { session, round, ledger: self.ledger.clone() }
        } else {
            ReplyBody::Gap { session, round, missing }
        };
        self.say(Say { migration: participation.migration, epoch: participation.epoch, body, answers: None });
        true
    }

    /// Owns the queue from now on, as the pod that it is in.
    pub(super) fn take_over(&mut self, tag: u64, migration: &str, epoch: u64, session: &str) {
        let drained = self.target.as_ref().is_some_and(|target| target.drained);
        if !self.is_current(session) || !drained {
            self.ignore(tag);
            return;
        }
        self.last_epoch = epoch;
        self.is_unsure |=
            self.target.as_ref().is_some_and(|target| target.complete == Some(Complete::Unknown));
        self.owner_uid = Some(self.pod_uid.clone());
        self.stopped = None;
        let body = ReplyBody::Switched { session: session.to_owned(), ledger: self.ledger.clone() };
        self.when_granted(Say { migration: migration.to_owned(), epoch, body, answers: Some(tag) });
    }
}
