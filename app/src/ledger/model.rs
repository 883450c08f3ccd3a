//! The ledger against plain sets of what was applied and what is held back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::json;

use super::{Ledger, Standing};
use crate::contract::{MessageId, MissingMessages, SEQ_MAX};

/// How many sequences of a producer are played with.
const SPAN: u64 = 12;
const PRODUCERS: [&str; 2] = ["a", "b"];

/// Everything one process applied, and what it keeps aside until it is due.
#[derive(Clone, Debug, Default)]
struct Record {
    first: BTreeMap<String, u64>,
    applied: BTreeSet<MessageId>,
    held: BTreeSet<MessageId>,
}

impl Record {
    fn standing(&self, id: &MessageId) -> Standing {
        let Some(&first) = self.first.get(&id.producer) else { return Standing::Next };
        let has = |seq| self.applied.contains(&MessageId { producer: id.producer.clone(), seq });
        if id.seq < first || has(id.seq) {
            Standing::Known
        } else if (first..id.seq).all(has) {
            Standing::Next
        } else {
            Standing::Ahead
        }
    }

    fn insert(&mut self, id: &MessageId) -> bool {
        let new = self.standing(id) != Standing::Known;
        if new {
            self.first.entry(id.producer.clone()).or_insert(id.seq);
            self.applied.insert(id.clone());
        }
        new
    }

    /// Goes on past a run that nobody has, when its turn has come.
    fn go_past(&mut self, run: &MissingMessages) {
        let id = |seq| MessageId { producer: run.producer.clone(), seq };
        let first = self.first.get(&run.producer).copied().unwrap_or(1);
        let next = (first..=SEQ_MAX).find(|seq| !self.applied.contains(&id(*seq)));
        let Some(next) = next.filter(|next| run.last <= SEQ_MAX && (run.first..=run.last).contains(next))
        else {
            return;
        };
        self.first.insert(run.producer.clone(), first);
        self.applied.extend((next..=run.last).map(id));
    }

    /// What must come before what is held, below the last of each producer.
    fn awaited(&self) -> BTreeSet<MessageId> {
        let mut awaited = BTreeSet::new();
        for MessageId { producer, seq: last } in
            self.held.iter().filter(|id| self.standing(id) != Standing::Known)
        {
            let first = self.first.get(producer).copied().unwrap_or(1);
            let before = (first..*last).map(|seq| MessageId { producer: producer.clone(), seq });
            awaited.extend(before.filter(|id| !self.applied.contains(id) && !self.held.contains(id)));
        }
        awaited
    }

    /// The runs of what the other has and this one lacks.
    fn missing_from(&self, other: &Self) -> Vec<MissingMessages> {
        let mut runs: Vec<MissingMessages> = Vec::new();
        for MessageId { producer, seq } in other.applied.difference(&self.applied) {
            match runs.last_mut() {
                Some(run) if run.producer == *producer && run.last + 1 == *seq => run.last = *seq,
                _ => runs.push(MissingMessages { producer: producer.clone(), first: *seq, last: *seq }),
            }
        }
        runs
    }
}

/// Two processes: the source and its copy, each with a ledger of its own.
#[derive(Clone, Debug)]
struct Two<T> {
    base: u64,
    processes: [T; 2],
}

#[derive(Clone, Debug)]
enum Act {
    /// A delivery, taken as a consumer takes it: known, applied, or set aside.
    Deliver(usize, MessageId),
    /// Recorded whatever its standing is, as somebody does who only counts.
    Insert(usize, MessageId),
    /// Nobody has these.
    GoPast(usize, MissingMessages),
    /// The other process becomes a copy of this one.
    Copy(usize),
    /// Written to the wire and read again.
    Reread(usize),
}

/// What a consumer does with a delivery; the same for the ledger and for the sets.
fn deliver<T>(
    process: &mut T,
    id: &MessageId,
    standing: impl Fn(&T, &MessageId) -> Standing,
    apply: impl Fn(&mut T, &MessageId) -> bool,
    held: impl Fn(&mut T) -> &mut BTreeSet<MessageId>,
) {
    held(process).insert(id.clone());
    take_due(process, standing, apply, held);
}

/// Takes what is held and need not wait any more.
fn take_due<T>(
    process: &mut T,
    standing: impl Fn(&T, &MessageId) -> Standing,
    apply: impl Fn(&mut T, &MessageId) -> bool,
    held: impl Fn(&mut T) -> &mut BTreeSet<MessageId>,
) {
    loop {
        let waiting = held(process).clone();
        let due = waiting.iter().find(|id| standing(process, id) != Standing::Ahead).cloned();
        let Some(due) = due else { return };
        held(process).remove(&due);
        apply(process, &due);
    }
}

struct Sets;

impl ReferenceStateMachine for Sets {
    type State = Two<Record>;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<Self::State> {
        let bases = prop_oneof![Just(0), Just(1), Just(1_000), Just(SEQ_MAX - SPAN)];
        bases.prop_map(|base| Two { base, processes: Default::default() }).boxed()
    }

    fn transitions(state: &Self::State) -> BoxedStrategy<Act> {
        let (base, which) = (state.base, 0..2_usize);
        let id = (0..PRODUCERS.len(), 0..=SPAN)
            .prop_map(move |(p, seq)| MessageId { producer: PRODUCERS[p].to_owned(), seq: base + seq });
        let run = (id.clone(), 0..4_u64).prop_map(|(MessageId { producer, seq }, more)| MissingMessages {
            producer,
            first: seq,
            last: seq + more,
        });
        prop_oneof![
            6 => (which.clone(), id.clone()).prop_map(|(which, id)| Act::Deliver(which, id)),
            4 => (which.clone(), id).prop_map(|(which, id)| Act::Insert(which, id)),
            2 => (which.clone(), run).prop_map(|(which, run)| Act::GoPast(which, run)),
            1 => which.clone().prop_map(Act::Copy),
            1 => which.prop_map(Act::Reread),
        ]
        .boxed()
    }

    fn apply(mut state: Self::State, act: &Act) -> Self::State {
        match act {
            Act::Deliver(which, id) => {
                let process = &mut state.processes[*which];
                deliver(process, id, Record::standing, Record::insert, |record| &mut record.held);
            }
            Act::Insert(which, id) => {
                state.processes[*which].insert(id);
            }
            Act::GoPast(which, run) => {
                let process = &mut state.processes[*which];
                process.go_past(run);
                take_due(process, Record::standing, Record::insert, |record| &mut record.held);
            }
            Act::Copy(from) => state.processes[1 - from] = state.processes[*from].clone(),
            Act::Reread(_) => {}
        }
        state
    }
}

/// A ledger, and what its process keeps aside.
#[derive(Clone, Debug, Default)]
struct Process {
    ledger: Ledger,
    held: BTreeSet<MessageId>,
}

struct Ledgers;

impl StateMachineTest for Ledgers {
    type SystemUnderTest = Two<Process>;
    type Reference = Sets;

    fn init_test(reference: &Two<Record>) -> Two<Process> {
        Two { base: reference.base, processes: Default::default() }
    }

    fn apply(mut state: Two<Process>, _: &Two<Record>, act: Act) -> Two<Process> {
        match act {
            Act::Deliver(which, id) => deliver(
                &mut state.processes[which],
                &id,
                |process, id| process.ledger.standing(id),
                |process, id| process.ledger.insert(id),
                |process| &mut process.held,
            ),
            Act::Insert(which, id) => {
                let ledger = &mut state.processes[which].ledger;
                let known = ledger.standing(&id) == Standing::Known;
                assert_eq!(ledger.insert(&id), !known, "{id:?}");
                assert!(!ledger.insert(&id), "{id:?} is recorded twice");
            }
            Act::GoPast(which, run) => {
                let process = &mut state.processes[which];
                let known = process.ledger.clone();
                assert!(process.ledger.go_past(&run) != (process.ledger == known), "{run:?}");
                take_due(
                    process,
                    |process, id| process.ledger.standing(id),
                    |process, id| process.ledger.insert(id),
                    |process| &mut process.held,
                );
            }
            Act::Copy(from) => state.processes[1 - from] = state.processes[from].clone(),
            Act::Reread(which) => {
                let ledger = &mut state.processes[which].ledger;
                let written = serde_json::to_string(ledger).expect("a ledger is JSON");
                *ledger = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            }
        }
        state
    }

    fn check_invariants(state: &Two<Process>, reference: &Two<Record>) {
        for (process, record) in state.processes.iter().zip(&reference.processes) {
            assert_eq!(process.held, record.held);
            assert_eq!(process.ledger.is_empty(), record.applied.is_empty());
            assert_eq!(process.ledger.len(), record.applied.len() as u64);
            let mut begun = record.first.values();
            assert_eq!(process.ledger.knows_beginnings(), begun.len() > 0 && begun.all(|first| *first <= 1));
            let awaited = process.ledger.awaited_by(&process.held, usize::MAX);
            let awaited = awaited.iter().flat_map(|run| {
                (run.first..=run.last).map(|seq| MessageId { producer: run.producer.clone(), seq })
            });
            assert_eq!(awaited.collect::<BTreeSet<_>>(), record.awaited());
            for (producer, seq) in PRODUCERS.iter().flat_map(|p| (0..=SPAN).map(move |n| (p, state.base + n)))
            {
                let id = MessageId { producer: (*producer).to_owned(), seq };
                assert_eq!(process.ledger.standing(&id), record.standing(&id), "{id:?}");
                assert_eq!(process.ledger.contains(&id), record.applied.contains(&id), "{id:?}");
            }
        }
        for (one, other) in [(0, 1), (1, 0), (0, 0)] {
            let (ours, theirs) = (&state.processes[one].ledger, &state.processes[other].ledger);
            let missing = reference.processes[one].missing_from(&reference.processes[other]);
            assert_eq!(ours.missing_from(theirs, usize::MAX), missing);
            assert_eq!(ours.missing_from(theirs, 2), missing[..missing.len().min(2)]);
            assert_eq!(ours.contains_all(theirs), missing.is_empty());
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn does_what_plain_sets_do(sequential 1..80 => Ledgers);
}

/// Numbers at which something changes.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..8_u64, 1 => SEQ_MAX - 3..=SEQ_MAX + 3, 1 => u64::MAX - 2..=u64::MAX]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_a_possible_ledger_is_read(
        first in number(),
        through in number(),
        above in proptest::collection::btree_set(number(), 0..4),
    ) {
        let possible = first <= through
            && [&through].into_iter().chain(&above).all(|seq| *seq <= SEQ_MAX)
            && above.iter().all(|seq| *seq > through + 1);
        let mut written = json!({ "producers": { "a": { "first": first, "through": through } } });
        if !above.is_empty() {
            written["producers"]["a"]["above"] = json!(above);
        }
        match serde_json::from_value::<Ledger>(written.clone()) {
            Ok(ledger) => {
                prop_assert!(possible, "{written} was read");
                prop_assert_eq!(serde_json::to_value(&ledger).expect("a ledger is JSON"), written);
                prop_assert_eq!(ledger.len(), through - first + 1 + above.len() as u64);
                prop_assert!(ledger.contains_all(&ledger));
            }
            Err(error) => {
                prop_assert!(!possible, "{written}: {error}");
                prop_assert!(error.to_string().contains("impossible ledger: producer \"a\""), "{error}");
            }
        }
    }
}

#[test]
fn an_impossible_ledger_in_a_control_message_says_what_is_wrong_with_it() {
    let error_of = |track: serde_json::Value| {
        let message = json!({
            "version": 1, "migration": "5f0c", "epoch": 1, "podUid": "a7d1", "type": "STOPPED", "nonce": "n-1",
            "ledger": { "producers": { "p1": track } },
        });
        let error = serde_json::from_value::<crate::contract::Reply>(message).expect_err("impossible");
        error.to_string()
    };
    let above = error_of(json!({ "first": 1, "through": 41, "above": [42, 44] }));
    assert!(above.contains("producer \"p1\" has 42 above, and all is contained through 41"), "{above}");
    let backwards = error_of(json!({ "first": 9, "through": 7 }));
    assert!(backwards.contains("begins at 9, and all is contained through 7"), "{backwards}");
    let beyond = error_of(json!({ "first": 1, "through": 9_223_372_036_854_775_808_u64 }));
    assert!(beyond.contains("has sequence 9223372036854775808"), "{beyond}");
    let negative = error_of(json!({ "first": -1, "through": 7 }));
    assert!(negative.contains("-1"), "{negative}");
}

/// Three producers of all that there is are more than a count can say.
#[test]
fn the_largest_ledgers_are_counted_without_overflow() {
    let track = json!({ "first": 0, "through": SEQ_MAX });
    let written = json!({ "producers": { "a": track, "b": track, "c": track } });
    let ledger: Ledger = serde_json::from_value(written).expect("possible");
    assert_eq!(ledger.len(), u64::MAX);
    let last = MessageId { producer: "a".to_owned(), seq: SEQ_MAX };
    assert_eq!(ledger.standing(&last), Standing::Known);
}
