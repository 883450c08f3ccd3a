use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ms2m::api::StatefulMigrationStatus;
use ms2m_app::{
    contract::{Command, CommandBody, Reply, ReplyBody, control_queue},
    engine::Ram,
};
use ms2m_counter::CounterState;

use super::{Oracle, clean_end::migration_uid, memory};
use crate::{
    report::Letter,
    world::{Archive, Cluster, Container, Names},
};

/// The RAM that was checkpointed, and which processes have shown that they have it.
#[derive(Default)]
pub(super) struct Restored {
    /// How many of the protocol's messages were read.
    letters: usize,
    /// What the migration's image holds; it is deleted in the end.
    checkpoint: Option<Archive>,
    /// The sessions of processes that came up from it, and UIDs of their pods.
    proven: BTreeMap<String, String>,
    /// UIDs of the pods that were told to read the replay queue: their state moves on.
    replaying: BTreeSet<String>,
    /// The session that the migration has taken for a restored process last.
    taken: Option<String>,
}

impl Restored {
    /// UIDs of the pods that have said `HELLO` and had the RAM.
    pub(super) fn pods(&self) -> impl Iterator<Item = &String> {
        self.proven.values()
    }

    /// The next migration begins.
    pub(super) fn next_round(&mut self) {
        *self = Self { letters: self.letters, ..Self::default() };
    }
}

impl Oracle {
    /// The state with which a target says `HELLO` is the checkpointed one, and it still goes on from that when it is told to
    /// take over.
    pub(super) fn ram_preserved(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
    ) {
        let digest = status.checkpoint.as_ref().and_then(|checkpoint| checkpoint.image_digest.as_deref());
        if let Some(digest) = digest.filter(|_| self.restored.checkpoint.is_none()) {
            let state = cluster.machines.lock();
            self.restored.checkpoint = state.checkpoint_image(digest).map(|image| image.archive);
        }
        let letters = cluster.broker.letters_since(self.restored.letters);
        self.restored.letters += letters.len();
        let uid = migration_uid(status, self);
        for letter in letters.iter().filter(|letter| Some(&letter.migration) == uid.as_ref()) {
            match letter.word.as_str() {
                "HELLO" => self.hello(cluster, status, letter, at),
                "START_REPLAY" => {
                    self.restored
                        .replaying
                        .extend(letter.to.strip_prefix(&control_queue("")).map(str::to_owned));
                }
                "TAKE_OVER" => self.take_over(cluster, letter, at),
                _ => {}
            }
        }
    }

    /// Whoever shows the nonce came up from the checkpoint, with everything that is in it.
    fn hello(&mut self, cluster: &Cluster, status: &StatefulMigrationStatus, letter: &Letter, at: Duration) {
        let Ok(Reply { pod_uid, body: ReplyBody::Hello { session, nonce: Some(nonce), .. }, .. }) =
            serde_json::from_str(&letter.text)
        else {
            // A fresh process has none, and says so.
            return;
        };
        if status.nonce.as_ref() != Some(&nonce) {
            return;
        }
        let has_begun = self.restored.replaying.contains(&pod_uid);
        if let Some(why) = self.restored.differs(cluster, self.names, &pod_uid, has_begun) {
            self.broke(at, "RamPreserved", format_args!("session {session} says HELLO, and {why}"));
            return;
        }
        self.restored.proven.insert(session, pod_uid);
    }

    fn take_over(&mut self, cluster: &Cluster, letter: &Letter, at: Duration) {
        let Ok(Command { body: CommandBody::TakeOver { session }, .. }) = serde_json::from_str(&letter.text)
        else {
            return;
        };
        let why = match self.restored.proven.get(&session) {
            None => Some("no process that was restored has that session".to_owned()),
            Some(pod_uid) => self.restored.differs(cluster, self.names, pod_uid, true),
        };
        if let Some(why) = why {
            self.broke(at, "RamPreserved", format_args!("session {session} is to take over, and {why}"));
        }
    }

    /// Nothing that was silently started fresh is ever taken for restored: the session on record is that of a process that
    /// was looked at when it said `HELLO`.
    pub(super) fn takes_only_the_restored(&mut self, status: &StatefulMigrationStatus, at: Duration) {
        let Some(target) = &status.target else { return };
        if target.session.is_none() || target.session == self.restored.taken {
            return;
        }
        self.restored.taken.clone_from(&target.session);
        let proven = target.session.as_ref().and_then(|session| self.restored.proven.get(session));
        if proven.is_none() || proven != target.uid.as_ref() {
            let message = format!(
                "session {:?} of pod {:?} is taken for restored, and no process that was has it",
                target.session, target.uid
            );
            self.broke(at, "RamPreserved", message);
        }
    }

    /// The state at the end is the one that the first process began, continued and not restarted.
    pub(super) fn ram_at_the_end(&mut self, cluster: &Cluster, survivor: &CounterState, at: Duration) {
        let names = Names { moved: 0, ..self.names };
        let first = {
            let state = cluster.machines.lock();
            let is_source = |it: &&Container| it.holds_state() && names.is_source(&it.pod);
            let mut sources = state.containers.values().filter(is_source);
            sources.next().and_then(|container| {
                memory(container).map(|m| m.cell().look(|ram| ram.state().incarnation.clone()))
            })
        };
        if first.as_ref() != Some(&survivor.incarnation) {
            let message = format!("the state was begun by {}, not by {first:?}", survivor.incarnation);
            self.broke(at, "RamPreserved", message);
        }
    }
}

impl Restored {
    /// Why the process in a pod has not the checkpointed RAM; where it `has_begun` to replay, not that and what came since.
    fn differs(&self, cluster: &Cluster, names: Names, pod_uid: &str, has_begun: bool) -> Option<String> {
        let state = cluster.machines.lock();
        let mut processes = state.containers.values().filter(|container| container.pod_uid == pod_uid);
        let Some((process, memory)) = processes.find_map(|process| Some((process, memory(process)?))) else {
            return Some(format!("pod {pod_uid} has never run a process"));
        };
        let host = &process.host;
        if process.pod != names.shadow() {
            return Some(format!("{host} is in pod {}, which is not the shadow", process.pod));
        }
        let Some(archive) = &self.checkpoint else {
            return Some(format!("there is no image to restore {host} from"));
        };
        if process.restored_from != Some(archive.serial) {
            let from = process.restored_from;
            return Some(format!("{host} came from {from:?}, not from checkpoint {}", archive.serial));
        }
        let Some(then) = archive.snapshot.downcast_ref::<Ram<CounterState>>() else {
            return Some("the checkpoint holds no counter".to_owned());
        };
        memory.cell().look(|now| difference(then, now, has_begun)).map(|why| format!("{host} {why}"))
    }
}

/// What of the checkpointed RAM a process has lost or changed; one that `has_begun` to replay may have more.
fn difference(then: &Ram<CounterState>, now: &Ram<CounterState>, has_begun: bool) -> Option<String> {
    let (before, after) = (then.state(), now.state());
    if before.incarnation != after.incarnation {
        return Some(format!(
            "was begun by {}, and the checkpoint by {}",
            after.incarnation, before.incarnation
        ));
    }
    if then.nonce() != now.nonce() {
        return Some(format!("has the nonce {:?}, and the checkpoint {:?}", now.nonce(), then.nonce()));
    }
    if !now.ledger().contains_all(then.ledger()) || after.count < before.count {
        let lacks = now.ledger().missing_from(then.ledger(), 3);
        let (has, had) = (after.count, before.count);
        return Some(format!("has {has} messages of the checkpoint's {had}, and lacks {lacks:?}"));
    }
    if !has_begun && (after != before || now.ledger() != then.ledger()) {
        return Some(format!(
            "has changed before it read anything: {after:?}, and the checkpoint {before:?}"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram(incarnation: &str, count: u64) -> Ram<CounterState> {
        let state = CounterState { count, ..CounterState::started(incarnation.to_owned()) };
        Ram::fresh(None).with_state(state)
    }

    #[test]
    fn a_target_that_says_hello_has_exactly_what_was_checkpointed() {
        let then = ram("first", 7);
        assert_eq!(difference(&then, &then, false), None);
        let fresh = difference(&then, &ram("second", 7), true).unwrap();
        assert!(fresh.contains("begun by second"), "{fresh}");
        let less = difference(&then, &ram("first", 6), true).unwrap();
        assert!(less.contains("6 messages of the checkpoint's 7"), "{less}");
        let more = difference(&then, &ram("first", 8), false).unwrap();
        assert!(more.contains("before it read anything"), "{more}");
        assert_eq!(difference(&then, &ram("first", 8), true), None);
    }
}
