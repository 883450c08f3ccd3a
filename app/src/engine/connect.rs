use super::{
    Origin, Ram,
    ram::{InHand, Participation, Role, Stage, Target},
};
use crate::seeded_bug::{self, SeededBug};

/// Environment variable of a shadow pod: `<migration uid>/<epoch>`.
///
/// A restored process does not see it, because its environment is the source's. So a process that does see it when it
/// starts was started fresh where it should have been restored: it says so, and must not consume.
pub const ENV_RESTORE: &str = "MS2M_RESTORE";

impl<S> Ram<S> {
    /// A process that starts from nothing. `restore` is the value of [`ENV_RESTORE`], if it is set.
    pub fn fresh(restore: Option<&str>) -> Self
    where
        S: Default,
    {
        let expected = restore.and_then(|value| {
            let (migration, epoch) = value.rsplit_once('/')?;
            Some(Participation { migration: migration.to_owned(), epoch: epoch.parse().ok()?, nonce: None })
        });
        // It owns the queue as nobody: so in every pod it is a copy.
        let owner_uid = expected.as_ref().map(|_| String::new());
        Self { owner_uid, participation: expected, ..Self::default() }
    }

    /// The same with the service's state as it is when a process starts, where that is more than its default.
    #[must_use]
    pub fn with_state(self, state: S) -> Self {
        Self { state, ..self }
    }

    /// A connection was made by a process in the pod `pod_uid` that is to consume `queue`; `session` was drawn for it.
    ///
    /// Whatever belonged to the last connection is forgotten first: its delivery tags mean nothing on this one, and the
    /// broker delivers again what was not acked.
    pub fn connected(&mut self, pod_uid: &str, queue: &str, session: &str) {
        self.disconnected();
        self.stats.connections += 1;
        pod_uid.clone_into(&mut self.pod_uid);
        queue.clone_into(&mut self.queue);
        if self.owner_uid.is_none() || seeded_bug::is(SeededBug::CopyBelievesItself) {
            self.owner_uid = Some(pod_uid.to_owned());
        }
        if self.role() == Role::Target {
            self.stopped = None;
            self.line.hello_due = true;
            self.target = Some(Target { session: session.to_owned(), ..Target::default() });
        } else if let Some(target) = &mut self.target {
            // The new owner reads what is left of R again from its start: the ledger skips what it knows.
            target.rounds.clear();
        }
    }

    /// The connection broke. An output that was not confirmed is held until `Q` delivers its message again.
    pub fn disconnected(&mut self) {
        let line = std::mem::take(&mut self.line);
        if seeded_bug::is(SeededBug::KeepPrefetch) {
            self.line.from_primary.clone_from(&line.from_primary);
        }
        self.hold_output_of(line.in_hand);
    }

    /// Forgets the message in hand if it came from there.
    pub(super) fn drop_hand_of(&mut self, origin: Origin) {
        if self.line.in_hand.as_ref().is_some_and(|hand| hand.arrival.origin == origin) {
            let hand = self.line.in_hand.take();
            self.hold_output_of(hand);
        }
    }

    fn hold_output_of(&mut self, hand: Option<InHand>) {
        if let Some(InHand { stage: Stage::Emitting(id, output), .. }) = hand {
            self.held_outputs.insert(id, output);
        }
    }
}
