use std::collections::BTreeSet;

use ms2m_app::contract::{MessageId, MissingMessages};

use super::{Comparison, Reordered};
use crate::{ProducerState, state::digest_of, traffic::ProducerRecord};

/// Compares one producer's part.
pub(super) fn compare(
    producer: &str,
    published: &ProducerRecord,
    applied: &ProducerState,
    into: &mut Comparison,
) {
    let mut seen = BTreeSet::new();
    let mut latest = 0;
    let [mut lost, mut duplicated, mut unexpected] = [(); 3].map(|()| Ranges::of(producer));
    for seq in applied.runs.iter().flat_map(|run| run.first..=run.last) {
        if value(published, seq).is_none() {
            unexpected.push(seq);
        }
        if !seen.insert(seq) {
            duplicated.push(seq);
        } else if seq < latest {
            reordered(producer, seq, latest, &mut into.reordered);
        }
        latest = latest.max(seq);
    }
    for seq in published.confirmed.keys().filter(|seq| !seen.contains(seq)) {
        lost.push(*seq);
    }
    into.lost.extend(lost.found);
    into.duplicated.extend(duplicated.found);
    into.unexpected.extend(unexpected.found);
    check_digest(producer, published, applied, &mut into.contradictions);
}

/// The value that was sent with `seq`, confirmed or not.
pub(super) fn value(published: &ProducerRecord, seq: u64) -> Option<i64> {
    published.confirmed.get(&seq).or_else(|| published.unconfirmed.get(&seq)).copied()
}

fn check_digest(
    producer: &str,
    published: &ProducerRecord,
    applied: &ProducerState,
    found: &mut Vec<String>,
) {
    let mut count = 0;
    let mut digest = String::new();
    for seq in applied.runs.iter().flat_map(|run| run.first..=run.last) {
        // What was never sent is reported as that; there is no digest to compare then.
        let Some(value) = value(published, seq) else { return };
        count += 1;
        digest = digest_of(&digest, &MessageId { producer: producer.to_owned(), seq }, value);
    }
    if count != applied.count {
        found.push(format!("{producer}: counted {}, but its runs have {count}", applied.count));
    }
    if digest != applied.digest {
        found.push(format!("{producer}: the digest is not that of the values published"));
    }
}

fn reordered(producer: &str, seq: u64, after: u64, found: &mut Vec<Reordered>) {
    if let Some(last) = found.last_mut()
        && last.messages.producer == producer
        && last.after == after
        && last.messages.last + 1 == seq
    {
        last.messages.last = seq;
        return;
    }
    let messages = MissingMessages { producer: producer.to_owned(), first: seq, last: seq };
    found.push(Reordered { messages, after });
}

/// Sequences of one producer, joined into ranges as they come.
struct Ranges<'a> {
    producer: &'a str,
    found: Vec<MissingMessages>,
}

impl<'a> Ranges<'a> {
    fn of(producer: &'a str) -> Self {
        Self { producer, found: Vec::new() }
    }

    fn push(&mut self, seq: u64) {
        match self.found.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(seq) => range.last = seq,
            _ => {
                self.found.push(MissingMessages {
                    producer: self.producer.to_owned(),
                    first: seq,
                    last: seq,
                });
            }
        }
    }
}
