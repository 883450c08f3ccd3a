//! The record, kept in RAM and so in the checkpoint, of which messages the state contains.

#[cfg(test)]
mod model;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::contract::{MessageId, MissingMessages, SEQ_MAX};

/// The sequence of a producer's first message.
pub(crate) const FIRST: u64 = 1;

/// Which messages a state contains: per producer the run of sequences without a gap, and the set above it.
///
/// Wire form: `{"producers":{"p1":{"first":1,"through":41,"above":[]}}}`. One that no process can have is refused when it
/// is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "wire::WrittenLedger")]
pub struct Ledger {
    producers: BTreeMap<String, Track>,
}

/// One producer's part of a [`Ledger`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Track {
    /// First sequence that this state ever saw: a fresh process does not expect what came before it.
    first: u64,
    /// Every sequence from `first` to here is contained.
    through: u64,
    /// Contained sequences beyond `through` + 1.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    above: BTreeSet<u64>,
}

/// What a message is to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Contained already, or a resend from before this state began: skip it, ack it.
    Known,
    /// Next in its producer's order, or the first of a producer that this state never saw: apply it.
    Next,
    /// A predecessor is missing: hold it, unapplied and unacked.
    Ahead,
}

impl Ledger {
    /// What `id` is to this ledger.
    pub fn standing(&self, id: &MessageId) -> Standing {
        match self.producers.get(&id.producer) {
            None => Standing::Next,
            Some(track) if id.seq < track.first || track.contains(id.seq) => Standing::Known,
            Some(track) if id.seq == track.through + 1 => Standing::Next,
            Some(_) => Standing::Ahead,
        }
    }

    /// Whether the state contains anything of this producer.
    pub fn knows(&self, producer: &str) -> bool {
        self.producers.contains_key(producer)
    }

    /// How many producers it names: every identity that one of its messages ever had.
    pub fn producers(&self) -> usize {
        self.producers.len()
    }

    /// Whether the state contains `id`.
    pub fn contains(&self, id: &MessageId) -> bool {
        self.producers.get(&id.producer).is_some_and(|track| track.contains(id.seq))
    }

    /// Records `id`; false when it is [`Standing::Known`].
    pub fn insert(&mut self, id: &MessageId) -> bool {
        if let Some(track) = self.producers.get_mut(&id.producer) {
            return track.insert(id.seq);
        }
        let track = Track { first: id.seq, through: id.seq, above: BTreeSet::new() };
        self.producers.insert(id.producer.clone(), track);
        true
    }

    /// Takes a run that nobody has as contained, so that what follows it is next. False, and nothing is changed, where the
    /// producer's next message is not in the run; a producer that this ledger does not know begins with its first.
    pub fn go_past(&mut self, run: &MissingMessages) -> bool {
        let next = self.producers.get(&run.producer).map_or(FIRST, |track| track.through + 1);
        if run.last > SEQ_MAX || !(run.first..=run.last).contains(&next) {
            return false;
        }
        let new = || Track { first: FIRST, through: FIRST - 1, above: BTreeSet::new() };
        let track = self.producers.entry(run.producer.clone()).or_insert_with(new);
        track.through = run.last;
        track.above = track.above.split_off(&(run.last + 1));
        track.absorb();
        true
    }

    /// Whether every message of `other` is in this ledger.
    ///
    /// Sequences before a producer's first one are not part of either state and never count as missing.
    pub fn contains_all(&self, other: &Self) -> bool {
        self.missing_from(other, 1).is_empty()
    }

    /// What of `other` this ledger lacks, in order, at most `limit` ranges.
    pub fn missing_from(&self, other: &Self, limit: usize) -> Vec<MissingMessages> {
        let mut missing = Vec::new();
        for (producer, theirs) in &other.producers {
            let ours = self.producers.get(producer);
            for (first, last) in theirs.ranges() {
                let gaps = ours.map_or_else(|| vec![(first, last)], |ours| ours.gaps_in(first, last));
                for (first, last) in gaps {
                    if missing.len() == limit {
                        return missing;
                    }
                    missing.push(MissingMessages { producer: producer.clone(), first, last });
                }
            }
        }
        missing
    }

    /// What must come before `held` can be applied: the messages that this ledger lacks below each producer's last held
    /// one, those that are held left out. In order, at most `limit` ranges.
    ///
    /// Nothing when nothing is held. A producer that the ledger does not know begins with its first message.
    pub fn awaited_by<'a>(
        &self,
        held: impl IntoIterator<Item = &'a MessageId>,
        limit: usize,
    ) -> Vec<MissingMessages> {
        let held: BTreeSet<&MessageId> =
            held.into_iter().filter(|id| self.standing(id) != Standing::Known).collect();
        let mut with_held = self.clone();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for id in held {
            with_held.insert(id);
            last.insert(&id.producer, id.seq);
        }
        let known = last.into_iter().filter_map(|(producer, last)| {
            let first = self.producers.get(producer).map_or(FIRST, |track| track.first);
            let track = with_held.producers.get(producer)?;
            Some(track.gaps_in(first, last).into_iter().map(move |gap| (producer, gap)))
        });
        known
            .flatten()
            .take(limit)
            .map(|(producer, (first, last))| MissingMessages { producer: producer.to_owned(), first, last })
            .collect()
    }

    /// Whether it has heard somebody, and everybody from the first message on.
    ///
    /// A state that began in the middle of things itself cannot tell what went past it from what was before it.
    pub fn knows_beginnings(&self) -> bool {
        !self.is_empty() && self.producers.values().all(|track| track.first <= FIRST)
    }

    /// Whether this is where it begins to know its producer.
    pub fn begins_with(&self, id: &MessageId) -> bool {
        self.producers.get(&id.producer).is_some_and(|track| track.first == id.seq)
    }

    /// How many messages it records.
    pub fn len(&self) -> u64 {
        self.producers.values().map(Track::len).fold(0, u64::saturating_add)
    }

    /// Whether it records nothing.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }
}

impl Track {
    fn contains(&self, seq: u64) -> bool {
        (self.first..=self.through).contains(&seq) || self.above.contains(&seq)
    }

    fn insert(&mut self, seq: u64) -> bool {
        if seq < self.first || self.contains(seq) {
            return false;
        }
        self.above.insert(seq);
        self.absorb();
        true
    }

    /// What lies above and comes next is part of the run.
    fn absorb(&mut self) {
        while self.above.remove(&(self.through + 1)) {
            self.through += 1;
        }
    }

    fn len(&self) -> u64 {
        self.through - self.first + 1 + self.above.len() as u64
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges = vec![(self.first, self.through)];
        for &seq in &self.above {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == seq => *last = seq,
                _ => ranges.push((seq, seq)),
            }
        }
        ranges
    }

    /// The parts of `first..=last` that are not contained.
    fn gaps_in(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut next = first;
        for (start, end) in self.ranges() {
            if end < next {
                continue;
            }
            if start > last {
                break;
            }
            if start > next {
                gaps.push((next, start - 1));
            }
            next = end + 1;
        }
        if next <= last {
            gaps.push((next, last));
        }
        gaps
    }
}
