//! Compares what was published with what a state contains, and says precisely what differs.

mod comparison;
mod producer;

use std::collections::BTreeSet;

use ms2m_app::{
    Ledger,
    contract::{MessageId, MissingMessages},
};

pub use self::comparison::{Comparison, Reordered};
use crate::{CounterState, StateView, traffic::Record};

/// How many ranges of a difference between ledger and state are named.
const RANGES_MAX: usize = 20;

/// Compares `state` with what `record` says was confirmed.
pub fn compare(record: &Record, state: &StateView) -> Comparison {
    let mut comparison = Comparison {
        published: record.published(),
        applied: state.state.count,
        unconfirmed: record.unconfirmed(),
        ..Comparison::default()
    };
    for (producer, published) in &record.producers {
        let applied = state.state.producers.get(producer).cloned().unwrap_or_default();
        producer::compare(producer, published, &applied, &mut comparison);
    }
    for (producer, applied) in &state.state.producers {
        if !record.producers.contains_key(producer) {
            let range = |run: &crate::Run| MissingMessages {
                producer: producer.clone(),
                first: run.first,
                last: run.last,
            };
            comparison.unexpected.extend(applied.runs.iter().map(range));
        }
    }
    contradictions(record, state, &mut comparison.contradictions);
    comparison
}

/// Where the parts of a state do not fit to each other or to the values published.
fn contradictions(record: &Record, view: &StateView, found: &mut Vec<String>) {
    let state = &view.state;
    let counted: u64 = state.producers.values().map(|producer| producer.count).sum();
    if counted != state.count {
        found.push(format!("the count is {}, that of all producers together {counted}", state.count));
    }
    if let Some(sum) = sum_of(record, state)
        && sum != state.sum
    {
        found.push(format!("the sum is {}, that of the applied messages is {sum}", state.sum));
    }
    let mut applied = Ledger::default();
    for (producer, of_producer) in &state.producers {
        let seqs: BTreeSet<u64> = of_producer.runs.iter().flat_map(|run| run.first..=run.last).collect();
        for seq in seqs {
            applied.insert(&MessageId { producer: producer.clone(), seq });
        }
    }
    for run in &view.passed_over {
        applied.go_past(run);
    }
    let named =
        |ranges: Vec<MissingMessages>| ranges.iter().map(comparison::range).collect::<Vec<_>>().join(", ");
    let only_ledger = applied.missing_from(&view.ledger, RANGES_MAX);
    if !only_ledger.is_empty() {
        found.push(format!("the ledger holds what the state does not: {}", named(only_ledger)));
    }
    let only_state = view.ledger.missing_from(&applied, RANGES_MAX);
    if !only_state.is_empty() {
        found.push(format!("the state contains what the ledger does not: {}", named(only_state)));
    }
}

/// Sum of the values that were applied; none when not all of them are known.
fn sum_of(record: &Record, state: &CounterState) -> Option<i64> {
    let mut sum = 0_i64;
    for (producer, applied) in &state.producers {
        let published = record.producers.get(producer)?;
        for seq in applied.runs.iter().flat_map(|run| run.first..=run.last) {
            sum = sum.wrapping_add(producer::value(published, seq)?);
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests;
