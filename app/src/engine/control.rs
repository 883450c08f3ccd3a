use super::{
    Ram,
    ram::{Complete, Role, Subscription},
    step::Say,
};
use crate::contract::{Command, CommandBody, ReplyBody};
use crate::seeded_bug::{self, SeededBug};

impl<S> Ram<S> {
    /// Obeys the oldest command. True when there was one.
    pub(super) fn obey_next_command(&mut self) -> bool {
        let Some((tag, command)) = self.line.commands.pop_front() else { return false };
        let stale = command.epoch < self.last_epoch
            && command.body != CommandBody::Probe
            && !seeded_bug::is(SeededBug::AcceptStaleEpoch);
        if stale {
            self.ignore(tag);
            return true;
        }
        let Command { migration, epoch, body, .. } = command;
        let answer = |body| Say { migration: migration.clone(), epoch, body, answers: Some(tag) };
        match body {
            CommandBody::Probe => {
                let body = self.probed(&migration);
                self.say(answer(body));
            }
            CommandBody::Stop => self.stop(tag, &migration, epoch),
            CommandBody::Resume => self.resume(tag, &migration, epoch),
            CommandBody::StartReplay { session, replay_queue } => {
                self.start_replay(tag, &session, replay_queue);
            }
            CommandBody::EndReplay { session, ledger } => {
                let complete = ledger.map_or(Complete::Unknown, Complete::Known);
                self.end_replay(tag, &session, complete);
            }
            CommandBody::TakeOver { session } => self.take_over(tag, &migration, epoch, &session),
        }
        true
    }

    pub(super) fn ignore(&mut self, tag: u64) {
        self.stats.stale_commands += 1;
        self.line.control_acks.push_back(tag);
    }

    fn probed(&self, migration: &str) -> ReplyBody {
        let participation = self.participation.as_ref().filter(|known| known.migration == migration);
        ReplyBody::Probed {
            last_epoch: self.last_epoch,
            nonce: participation.and_then(|known| known.nonce.clone()),
            owner: self.role() == Role::Owner && self.line.primary == Subscription::Open,
            queue: Some(self.queue.clone()),
            sequenced: self.unsequenced.is_empty(),
        }
    }

    /// Stops owning the queue. The command stays unacked, so that a fresh process in this pod finds it, too.
    fn stop(&mut self, tag: u64, migration: &str, epoch: u64) {
        let late = self.resumed >= Some(epoch) && !seeded_bug::is(SeededBug::AcceptStaleEpoch);
        if late || self.role() == Role::Target {
            self.ignore(tag);
            return;
        }
        self.last_epoch = epoch;
        self.stopped = Some(epoch);
        let answers = match self.line.stop_tag {
            // A repeated STOP is answered again; one unacked copy is enough.
            Some(_) => Some(tag),
            None => {
                self.line.stop_tag = Some(tag);
                None
            }
        };
        let nonce = self.nonce_of(migration);
        let say = Say {
            migration: migration.to_owned(),
            epoch,
            body: ReplyBody::Stopped { nonce, ledger: self.ledger.clone() },
            answers,
        };
        if seeded_bug::is(SeededBug::StopGoesOn) {
            self.stopped = None;
            self.say(say);
            return;
        }
        self.line.when_closed = Some(say);
    }

    fn resume(&mut self, tag: u64, migration: &str, epoch: u64) {
        if self.role() == Role::Target {
            self.ignore(tag);
            return;
        }
        self.last_epoch = epoch;
        if seeded_bug::is(SeededBug::ResumeSleeps) {
            self.say(Say {
                migration: migration.to_owned(),
                epoch,
                body: ReplyBody::Resumed { nonce: None },
                answers: Some(tag),
            });
            return;
        }
        self.stopped = None;
        self.resumed = Some(epoch);
        if let Some(stop) = self.line.stop_tag.take() {
            self.line.control_acks.push_back(stop);
        }
        let body = ReplyBody::Resumed { nonce: self.nonce_of(migration) };
        self.when_granted(Say { migration: migration.to_owned(), epoch, body, answers: Some(tag) });
    }

    /// Says it once the broker grants the queue; at once when it has already.
    pub(super) fn when_granted(&mut self, say: Say) {
        if self.line.primary == Subscription::Open {
            self.say(say);
        } else if let Some(Say { answers: Some(earlier), .. }) = self.line.when_granted.replace(say) {
            // Asked twice, answered once.
            self.line.control_acks.push_back(earlier);
        }
    }

    pub(super) fn nonce_of(&self, migration: &str) -> Option<String> {
        let participation = self.participation.as_ref().filter(|known| known.migration == migration);
        participation.and_then(|known| known.nonce.clone())
    }
}
