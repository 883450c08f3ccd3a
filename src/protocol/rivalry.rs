//! Several migrations of one pod: which of them goes first.
//!
//! Each looks at the others before its checks, writes down that they have passed, and looks once more before it touches
//! anything: of two that did that at the same time, the one that looks later sees the other (Dekker's algorithm; a look must
//! not come from a cache).

use jiff::Timestamp;
use ms2m_app::seeded_bug::{self, SeededBug};

use super::names;
use crate::api::{Phase, StatefulMigrationStatus};

/// A migration, as far as it concerns another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// UID of the object.
    pub uid: String,
    /// When it was asked for, to the second.
    pub created: Option<Timestamp>,
    /// The pod that it moves.
    pub source_pod: String,
    /// How far it is.
    pub stage: Stage,
}

/// How far a migration is, as far as it concerns another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its checks have not passed, or nobody has looked at it yet.
    Asked,
    /// Its checks have passed; it has not touched anything.
    Checked,
    /// It has the pod in its hands.
    Begun,
    /// It is over.
    Ended,
}

impl Stage {
    /// What a status says of it.
    pub fn of(status: Option<&StatefulMigrationStatus>) -> Self {
        match status {
            Some(status) if status.phase.is_terminal() => Self::Ended,
            Some(status) if status.phase != Phase::Pending => Self::Begun,
            Some(status) if status.source.is_some() => Self::Checked,
            _ => Self::Asked,
        }
    }
}

/// What the others mean for a migration that would begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rivalry {
    /// Nobody else has its pod in hand, or is about to.
    Alone,
    /// That one goes first: it is waited for.
    Waits(String),
    /// That one is about to begin as well, and is the older: this one gives up.
    GivesWay(String),
}

impl Rivalry {
    /// What `all` the migrations of its namespace mean for `own`, which may be among them.
    pub fn of(own: &Contender, all: &[Contender]) -> Self {
        if seeded_bug::is(SeededBug::IgnoreRivals) {
            return Self::Alone;
        }
        let rival = all.iter().filter(|other| own.is_kept_by(other)).min_by_key(|other| other.age());
        match rival {
            None => Self::Alone,
            Some(other)
                if own.stage == Stage::Checked
                    && other.stage == Stage::Checked
                    && other.age() < own.age() =>
            {
                Self::GivesWay(other.name.clone())
            }
            Some(other) => Self::Waits(other.name.clone()),
        }
    }
}

impl Contender {
    fn is_kept_by(&self, other: &Self) -> bool {
        let has_begun = matches!(other.stage, Stage::Checked | Stage::Begun);
        // Whose checks have passed has been seen, or will be, by every older one whose checks have not.
        let is_next = self.stage == Stage::Asked && other.stage == Stage::Asked && other.age() < self.age();
        other.uid != self.uid && other.shares_a_pod_with(self) && (has_begun || is_next)
    }

    fn shares_a_pod_with(&self, other: &Self) -> bool {
        let shadow = names::shadow_pod(&self.source_pod);
        let others = names::shadow_pod(&other.source_pod);
        self.source_pod == other.source_pod || shadow == other.source_pod || self.source_pod == others
    }

    fn age(&self) -> (Option<Timestamp>, &str) {
        (self.created, &self.uid)
    }
}
