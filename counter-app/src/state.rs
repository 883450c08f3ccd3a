use std::{collections::BTreeMap, fmt::Write as _};

use ms2m_app::contract::MessageId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the counter keeps in RAM.
///
/// It does not trust the ledger: it keeps its own record of what was applied and in which order, so that comparing it
/// with what was published tests the ledger, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterState {
    /// Drawn when a fresh process starts: a state that carries it was continued, not restarted.
    pub incarnation: String,
    /// Messages applied.
    pub count: u64,
    /// Sum of their values.
    pub sum: i64,
    /// The same by producer.
    pub producers: BTreeMap<String, ProducerState>,
}

/// One producer's part of a [`CounterState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerState {
    /// Messages applied.
    pub count: u64,
    /// Sequence of the last one.
    pub last_seq: u64,
    /// Running hash over (producer, sequence, value) in the order of application, hexadecimal.
    pub digest: String,
    /// The order of application: runs of consecutive sequences. One run unless something went wrong.
    pub runs: Vec<Run>,
}

/// Sequences that were applied one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The first.
    pub first: u64,
    /// The last, inclusive.
    pub last: u64,
}

impl CounterState {
    /// The state of a fresh process; `incarnation` is drawn for it.
    pub fn started(incarnation: impl Into<String>) -> Self {
        Self { incarnation: incarnation.into(), ..Self::default() }
    }

    /// Counts a message.
    pub fn add(&mut self, id: &MessageId, value: i64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
        self.producers.entry(id.producer.clone()).or_default().add(id, value);
    }
}

impl ProducerState {
    fn add(&mut self, id: &MessageId, value: i64) {
        self.count += 1;
        self.last_seq = id.seq;
        self.digest = digest_of(&self.digest, id, value);
        match self.runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(id.seq) => run.last = id.seq,
            _ => self.runs.push(Run { first: id.seq, last: id.seq }),
        }
    }
}

/// The running hash after `id` with `value`, when it was `before`; it begins with the empty string.
pub(crate) fn digest_of(before: &str, id: &MessageId, value: i64) -> String {
    let mut hash = Sha256::new();
    hash.update(before);
    // The length keeps ("a", 1) apart from ("a1", …).
    hash.update((id.producer.len() as u64).to_be_bytes());
    hash.update(&id.producer);
    hash.update(id.seq.to_be_bytes());
    hash.update(value.to_be_bytes());
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(producer: &str, seq: u64) -> MessageId {
        MessageId { producer: producer.to_owned(), seq }
    }

    #[test]
    fn counts_by_producer_and_in_total() {
        let mut state = CounterState::started("one");
        for (producer, seq, value) in [("a", 1, 5), ("b", 1, -7), ("a", 2, 11)] {
            state.add(&id(producer, seq), value);
        }
        assert_eq!((state.count, state.sum), (3, 9));
        assert_eq!(state.producers["a"].runs, [Run { first: 1, last: 2 }]);
        assert_eq!((state.producers["a"].count, state.producers["a"].last_seq), (2, 2));
    }

    #[test]
    fn digest_depends_on_the_order_and_on_the_values() {
        let digest = |messages: &[(u64, i64)]| {
            let mut state = CounterState::default();
            for (seq, value) in messages {
                state.add(&id("a", *seq), *value);
            }
            state.producers["a"].digest.clone()
        };
        assert_eq!(digest(&[(1, 5), (2, 6)]), digest(&[(1, 5), (2, 6)]));
        assert_ne!(digest(&[(1, 5), (2, 6)]), digest(&[(2, 6), (1, 5)]));
        assert_ne!(digest(&[(1, 5), (2, 6)]), digest(&[(1, 6), (2, 5)]));
    }

    #[test]
    fn runs_tell_the_whole_order_of_application() {
        let mut state = CounterState::default();
        for seq in [3, 4, 4, 7, 5, 6] {
            state.add(&id("a", seq), 0);
        }
        let runs: Vec<(u64, u64)> =
            state.producers["a"].runs.iter().map(|run| (run.first, run.last)).collect();
        assert_eq!(runs, [(3, 4), (4, 4), (7, 7), (5, 6)]);
    }
}
