use std::fmt;

use ms2m_app::contract::MissingMessages;
use serde::{Deserialize, Serialize};

/// What [`compare`](super::compare) found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Messages that the broker confirmed.
    pub published: u64,
    /// Messages that the state has counted.
    pub applied: u64,
    /// Messages that were sent and never confirmed: they may be in the state or not.
    pub unconfirmed: u64,
    /// Confirmed, and not in the state.
    pub lost: Vec<MissingMessages>,
    /// Applied more than once; a range is named once for each time too many.
    pub duplicated: Vec<MissingMessages>,
    /// Applied after a later one of the same producer.
    pub reordered: Vec<Reordered>,
    /// In the state, and never sent.
    pub unexpected: Vec<MissingMessages>,
    /// Where values, sum, count, digest and ledger do not fit to each other.
    pub contradictions: Vec<String>,
}

/// Messages that were applied too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reordered {
    /// Which.
    pub messages: MissingMessages,
    /// The later message that had been applied before them.
    pub after: u64,
}

impl Comparison {
    /// Whether the state contains every confirmed message once, in order, and nothing else.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.duplicated.is_empty()
            && self.reordered.is_empty()
            && self.unexpected.is_empty()
            && self.contradictions.is_empty()
    }

    /// Number of messages lost.
    pub fn lost_count(&self) -> u64 {
        count(self.lost.iter())
    }

    /// Number of applications too many.
    pub fn duplicated_count(&self) -> u64 {
        count(self.duplicated.iter())
    }

    /// Number of messages applied too late.
    pub fn reordered_count(&self) -> u64 {
        count(self.reordered.iter().map(|reordered| &reordered.messages))
    }

    /// Number of messages applied that nobody sent.
    pub fn unexpected_count(&self) -> u64 {
        count(self.unexpected.iter())
    }
}

fn count<'a>(ranges: impl Iterator<Item = &'a MissingMessages>) -> u64 {
    ranges.map(|range| range.last - range.first + 1).sum()
}

/// A range as people read it.
pub(super) fn range(range: &MissingMessages) -> String {
    let MissingMessages { producer, first, last } = range;
    if first == last { format!("{producer} {first}") } else { format!("{producer} {first}–{last}") }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} published, {} applied", self.published, self.applied)?;
        if self.unconfirmed > 0 {
            write!(f, ", {} never confirmed", self.unconfirmed)?;
        }
        writeln!(
            f,
            ": {} lost, {} duplicated, {} reordered, {} unexpected",
            self.lost_count(),
            self.duplicated_count(),
            self.reordered_count(),
            self.unexpected_count()
        )?;
        let sections =
            [("lost", &self.lost), ("duplicated", &self.duplicated), ("unexpected", &self.unexpected)];
        for (name, ranges) in sections {
            for found in ranges {
                writeln!(f, "  {name}: {}", range(found))?;
            }
        }
        for Reordered { messages, after } in &self.reordered {
            writeln!(f, "  reordered: {} applied after {after}", range(messages))?;
        }
        for contradiction in &self.contradictions {
            writeln!(f, "  contradiction: {contradiction}")?;
        }
        Ok(())
    }
}
