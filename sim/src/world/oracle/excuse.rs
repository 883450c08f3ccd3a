use ms2m::api::{Phase, StatefulMigrationStatus, reason};

use super::{Oracle, is_kept, slipped::named_at_the_end};

/// Something that is lost and that no protocol could have kept: what of it may be missing at the end, and why.
///
/// It excuses nothing else: what is there must still be there once, in order, and by no more outputs than faults allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excuse {
    /// Messages are missing; the RAM is the one that was migrated.
    Messages(&'static str),
    /// A RAM died, and a process that knows nothing of it may go on.
    Ram(&'static str),
}

impl Excuse {
    /// Why it is nobody's fault.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Messages(why) | Self::Ram(why) => why,
        }
    }

    /// The one that excuses more.
    pub(super) fn wider(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(Self::Messages(_)), Some(Self::Ram(_))) | (None, _) => other,
            _ => one,
        }
    }
}

impl Oracle {
    /// What a migration that ends so may lack.
    pub(super) fn excuse(&self, status: &StatefulMigrationStatus) -> Option<Excuse> {
        let named = named_at_the_end(status).map(Excuse::Messages);
        let reported = self.reported(status);
        Excuse::wider(Excuse::wider(self.fates.excuse(status), named), reported)
    }

    /// A loss that somebody else caused, and that the migration tells instead of hiding it.
    fn reported(&self, status: &StatefulMigrationStatus) -> Option<Excuse> {
        let why = status.outcome.as_ref().filter(|_| status.phase == Phase::Failed)?.reason.as_str();
        let why = match why {
            reason::REPLAY_QUEUE_LOST => {
                "somebody deleted the replay queue, and the migration failed and said so"
            }
            // That this is true is checked where it failed.
            reason::RESTORE_FAILED if is_kept(status) => {
                "no shadow came up from the image of a source that died, and what the migration keeps holds all of it"
            }
            reason::GAP => "messages went past the replay queue, and the migration failed and said which",
            _ => return None,
        };
        // Where it lives, it goes on with what it has.
        Some(if self.source_died() { Excuse::Ram(why) } else { Excuse::Messages(why) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ram_that_died_excuses_more_than_messages_that_are_missing() {
        let (messages, ram) = (Some(Excuse::Messages("gap")), Some(Excuse::Ram("killed")));
        assert_eq!(Excuse::wider(messages, ram), ram);
        assert_eq!(Excuse::wider(ram, messages), ram);
        assert_eq!(Excuse::wider(messages, None), messages);
        assert_eq!(Excuse::wider(None, messages), messages);
        assert_eq!(Excuse::wider(None, None), None);
    }
}
