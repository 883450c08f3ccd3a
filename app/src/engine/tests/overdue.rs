//! A new owner whose source is dead goes on past what nobody has.

use super::{
    Arrival, CONTRACT_VERSION, Kind, Marker, MessageId, MissingMessages, Origin, Ram, Step, end, message,
    owner_of_a_dead_sources_state, run, target_that_knows,
};
use crate::{
    contract::{CommandBody, ReplyBody},
    engine::{PATIENCE_TICKS, Role},
};

fn of_p(first: u64, last: u64) -> MissingMessages {
    MissingMessages { producer: "p".to_owned(), first, last }
}

fn deliver(ram: &mut Ram<u64>, producer: &str, seq: u64) {
    ram.delivered(message(Origin::Primary, 100 + seq, producer, seq));
}

/// What was delivered is taken in, and so many ticks pass: the sequences that are acked meanwhile.
fn wait(ram: &mut Ram<u64>, ticks: u32) -> Vec<u64> {
    let acked = |step: &Step| match step {
        Step::Ack(Origin::Primary, tag) => Some(*tag - 100),
        _ => None,
    };
    let mut steps = run(ram);
    for _ in 0..ticks {
        ram.ticked(false);
        steps.extend(run(ram));
    }
    steps.iter().filter_map(acked).collect()
}

/// It owns the queue of a dead source, and the operator has deleted the replay queue.
fn owner_that_has_read_everything() -> Ram<u64> {
    let mut ram = owner_of_a_dead_sources_state();
    ram.replay_gone();
    run(&mut ram);
    ram
}

/// It has read to the end, its source said that it had the same, and the operator has deleted the replay queue.
fn own_what_the_source_said_it_had(ram: &mut Ram<u64>, next_command: u64, session: String) {
    let ledger = Some(ram.ledger().clone());
    super::command(ram, next_command, CommandBody::EndReplay { session: session.clone(), ledger });
    run(ram);
    super::command(ram, next_command + 1, CommandBody::TakeOver { session });
    run(ram);
    ram.replay_gone();
}

/// Found by seed 6580: with a prefetch of 1 it took nothing more of anybody.
#[test]
fn what_waits_for_what_a_dead_source_had_is_applied_in_order_in_the_end() {
    let mut ram = owner_that_has_read_everything();
    for seq in [8, 5, 9] {
        deliver(&mut ram, "p", seq);
    }
    let before = *ram.state();
    assert!(wait(&mut ram, PATIENCE_TICKS - 1).is_empty());
    assert_eq!(ram.passed_over(), []);
    assert_eq!(wait(&mut ram, 1), [5]);
    assert_eq!(ram.passed_over(), [of_p(3, 4)]);
    assert!(wait(&mut ram, PATIENCE_TICKS - 1).is_empty(), "what comes next may be on its way");
    assert_eq!(wait(&mut ram, 1), [8, 9]);
    assert_eq!((ram.passed_over(), *ram.state()), (&[of_p(3, 4), of_p(6, 7)][..], before + 3));
    // What comes after all counts as known.
    deliver(&mut ram, "p", 4);
    assert_eq!((wait(&mut ram, 1), *ram.state()), (vec![4], before + 3));
}

#[test]
fn what_comes_in_time_is_not_passed_over_and_the_next_is_waited_for_anew() {
    let mut ram = owner_that_has_read_everything();
    deliver(&mut ram, "p", 4);
    assert!(wait(&mut ram, PATIENCE_TICKS - 1).is_empty());
    deliver(&mut ram, "p", 3);
    deliver(&mut ram, "p", 6);
    assert_eq!(wait(&mut ram, PATIENCE_TICKS - 1), [3, 4]);
    deliver(&mut ram, "p", 5);
    assert_eq!(wait(&mut ram, 1), [5, 6]);
    assert_eq!(ram.passed_over(), []);
}

#[test]
fn every_producer_is_waited_for_by_itself() {
    let mut ram = owner_that_has_read_everything();
    deliver(&mut ram, "p", 4);
    wait(&mut ram, PATIENCE_TICKS / 2);
    for seq in [1, 3] {
        deliver(&mut ram, "q", seq);
    }
    assert_eq!(wait(&mut ram, PATIENCE_TICKS / 2), [1, 4]);
    assert_eq!(wait(&mut ram, PATIENCE_TICKS / 2), [3]);
    let of_q = MissingMessages { producer: "q".to_owned(), first: 2, last: 2 };
    assert_eq!(ram.passed_over(), [of_p(3, 3), of_q]);
}

/// As long as the replay queue is there it may have it, and the operator asks for it.
#[test]
fn nothing_is_passed_over_while_there_is_something_to_read() {
    let mut ram = owner_of_a_dead_sources_state();
    deliver(&mut ram, "p", 4);
    assert!(wait(&mut ram, 2 * PATIENCE_TICKS).is_empty());
    ram.delivered(end(50, 2));
    let gap = |step: &Step| matches!(step, Step::Reply(reply) if matches!(reply.body, ReplyBody::Gap { .. }));
    assert!(run(&mut ram).iter().any(gap));
    ram.replay_gone();
    assert_eq!(wait(&mut ram, PATIENCE_TICKS), [4]);
}

/// Whatever its source had, it has; so what is missing is on its way.
#[test]
fn nothing_is_passed_over_by_an_owner_whose_source_said_what_it_had() {
    let session = || "session-2".to_owned();
    let mut ram = target_that_knows(&[("p", 1)]);
    ram.delivered(end(11, 1));
    own_what_the_source_said_it_had(&mut ram, 3, session());
    assert_eq!(ram.role(), Role::Owner);
    deliver(&mut ram, "p", 4);
    assert!(wait(&mut ram, 3 * PATIENCE_TICKS).is_empty());
    assert!(!ram.ledger().contains(&MessageId { producer: "p".to_owned(), seq: 4 }));
}

/// Moved once more, by a source that says what it has: its producers may have been silent until now.
#[test]
fn a_copy_of_a_state_that_was_unsure_goes_on_too() {
    let mut ram = owner_that_has_read_everything();
    let session = || "session-3".to_owned();
    ram.connected("pod-c", "orders", &session());
    run(&mut ram);
    super::command(
        &mut ram,
        5,
        CommandBody::StartReplay { session: session(), replay_queue: "r2".to_owned() },
    );
    run(&mut ram);
    let end = Marker::End {
        version: CONTRACT_VERSION,
        migration: "m".to_owned(),
        epoch: 1,
        session: session(),
        round: 1,
    };
    ram.delivered(Arrival { kind: Kind::Marker(end), ..message(Origin::Replay, 60, "", 0) });
    own_what_the_source_said_it_had(&mut ram, 6, session());
    assert_eq!((ram.role(), ram.pod_uid()), (Role::Owner, "pod-c"));
    deliver(&mut ram, "p", 4);
    assert!(wait(&mut ram, PATIENCE_TICKS - 1).is_empty());
    assert_eq!(wait(&mut ram, 1), [4]);
}

/// What was prefetched is delivered again on the next connection, and waited for from there.
#[test]
fn who_connects_again_waits_anew() {
    let mut ram = owner_that_has_read_everything();
    deliver(&mut ram, "p", 4);
    wait(&mut ram, PATIENCE_TICKS - 1);
    ram.disconnected();
    ram.connected("pod-b", "orders", "session-3");
    run(&mut ram);
    ram.control_was_read(1);
    run(&mut ram);
    deliver(&mut ram, "p", 4);
    assert!(wait(&mut ram, PATIENCE_TICKS - 1).is_empty());
    assert_eq!(wait(&mut ram, 1), [4]);
}
