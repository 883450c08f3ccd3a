use ms2m_app::engine::{Role, Stats};

use super::*;
use crate::traffic::value_of;

/// The state after `applied`, in that order, with a ledger that agrees; values as [`value_of`] producer 0.
fn state(applied: &[(&str, u64)]) -> StateView {
    let mut state = CounterState::started("one");
    let mut ledger = Ledger::default();
    for (producer, seq) in applied {
        let id = MessageId { producer: (*producer).to_owned(), seq: *seq };
        state.add(&id, value_of(0, *seq));
        ledger.insert(&id);
    }
    let (role, pod_uid) = (Role::Owner, "uid".to_owned());
    let passed_over = Vec::new();
    StateView { role, consumes: true, pod_uid, epoch: 0, stats: Stats::default(), ledger, passed_over, state }
}

fn record(producers: &[(&str, u64)]) -> Record {
    let mut record = Record::default();
    for (producer, through) in producers {
        let published = record.producers.entry((*producer).to_owned()).or_default();
        published.confirmed = (1..=*through).map(|seq| (seq, value_of(0, seq))).collect();
    }
    record
}

fn range(producer: &str, first: u64, last: u64) -> MissingMessages {
    MissingMessages { producer: producer.to_owned(), first, last }
}

#[test]
fn the_same_is_clean_in_any_interleaving_of_producers() {
    let comparison = compare(&record(&[("a", 2), ("b", 1)]), &state(&[("b", 1), ("a", 1), ("a", 2)]));
    assert!(comparison.is_clean(), "{comparison}");
    assert_eq!((comparison.published, comparison.applied), (3, 3));
}

#[test]
fn names_what_is_lost() {
    let comparison = compare(&record(&[("a", 5), ("b", 2)]), &state(&[("a", 1), ("a", 4)]));
    assert_eq!(comparison.lost, [range("a", 2, 3), range("a", 5, 5), range("b", 1, 2)]);
    assert_eq!(comparison.lost_count(), 5);
    assert!(comparison.duplicated.is_empty() && comparison.reordered.is_empty());
}

#[test]
fn names_what_is_duplicated() {
    let applied = [("a", 1), ("a", 2), ("a", 3), ("a", 2), ("a", 3), ("a", 4)];
    let comparison = compare(&record(&[("a", 4)]), &state(&applied));
    assert_eq!(comparison.duplicated, [range("a", 2, 3)]);
    assert!(comparison.lost.is_empty() && comparison.reordered.is_empty(), "{comparison}");
}

#[test]
fn names_what_is_reordered() {
    let comparison = compare(&record(&[("a", 4)]), &state(&[("a", 1), ("a", 4), ("a", 2), ("a", 3)]));
    assert_eq!(comparison.reordered, [Reordered { messages: range("a", 2, 3), after: 4 }]);
    assert!(comparison.lost.is_empty() && comparison.duplicated.is_empty(), "{comparison}");
}

#[test]
fn names_what_nobody_sent() {
    let comparison = compare(&record(&[("a", 1)]), &state(&[("a", 1), ("a", 2), ("ghost", 1)]));
    assert_eq!(comparison.unexpected, [range("a", 2, 2), range("ghost", 1, 1)]);
}

#[test]
fn unconfirmed_messages_may_be_there_or_not() {
    let mut record = record(&[("a", 2)]);
    record.producers.get_mut("a").unwrap().unconfirmed.insert(3, value_of(0, 3));
    for applied in [&[("a", 1), ("a", 2)][..], &[("a", 1), ("a", 2), ("a", 3)]] {
        let comparison = compare(&record, &state(applied));
        assert!(comparison.is_clean(), "{comparison}");
    }
}

#[test]
fn finds_values_that_were_changed() {
    let mut view = state(&[("a", 1), ("a", 2)]);
    view.state.sum += 1;
    assert_eq!(compare(&record(&[("a", 2)]), &view).contradictions.len(), 1);
    let mut published = record(&[("a", 2)]);
    *published.producers.get_mut("a").unwrap().confirmed.get_mut(&1).unwrap() += 1;
    let comparison = compare(&published, &state(&[("a", 1), ("a", 2)]));
    assert_eq!(comparison.contradictions.len(), 2, "sum and digest: {comparison}");
}

#[test]
fn finds_a_ledger_that_does_not_fit_to_the_state() {
    let mut view = state(&[("a", 1), ("a", 2)]);
    view.ledger.insert(&MessageId { producer: "a".to_owned(), seq: 3 });
    view.state.add(&MessageId { producer: "b".to_owned(), seq: 1 }, value_of(0, 1));
    let comparison = compare(&record(&[("a", 2), ("b", 1)]), &view);
    assert_eq!(comparison.contradictions.len(), 2, "{comparison}");
}

#[test]
fn reads_well() {
    let applied = [("a", 1), ("a", 4), ("a", 2), ("a", 2), ("a", 5), ("ghost", 7)];
    let mut comparison = compare(&record(&[("a", 6)]), &state(&applied));
    comparison.unconfirmed = 1;
    insta::assert_snapshot!(comparison);
}

/// What it went on without is lost, and no contradiction, because it says so.
#[test]
fn what_a_state_went_on_without_is_lost_and_named() {
    let mut view = state(&[("a", 1), ("a", 2), ("a", 5)]);
    let gone = range("a", 3, 4);
    view.ledger = Ledger::default();
    for seq in [1, 2] {
        view.ledger.insert(&MessageId { producer: "a".to_owned(), seq });
    }
    assert!(view.ledger.go_past(&gone));
    view.ledger.insert(&MessageId { producer: "a".to_owned(), seq: 5 });
    let comparison = compare(&record(&[("a", 5)]), &view);
    assert_eq!((comparison.lost.as_slice(), comparison.contradictions.len()), (&[gone.clone()][..], 1));
    view.passed_over.push(gone.clone());
    let comparison = compare(&record(&[("a", 5)]), &view);
    assert_eq!(comparison.lost, [gone]);
    assert!(comparison.contradictions.is_empty(), "{comparison}");
}
