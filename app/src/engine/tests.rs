//! What is done in which order.

mod overdue;

use std::time::Duration;

use super::{Arrival, Kind, Origin, Publication, Ram, Role, Step, StepResult};
use crate::{
    Handler, Malformed, Message, Output, Standing,
    contract::{CONTRACT_VERSION, Command, CommandBody, Marker, MessageId, MissingMessages, ReplyBody},
};

struct Echo;

impl Handler for Echo {
    type State = u64;

    fn apply(&self, state: &mut u64, message: &Message) -> Result<Option<Output>, Malformed> {
        *state += 1;
        let body = message.body.clone();
        Ok(Some(Output { exchange: "results".to_owned(), routing_key: "r".to_owned(), body }))
    }
}

/// Does every step, and says which.
fn run(ram: &mut Ram<u64>) -> Vec<Step> {
    std::iter::from_fn(|| {
        let step = ram.next_step(&Echo)?;
        ram.done(&Echo, &step, StepResult::Done);
        Some(step)
    })
    .collect()
}

fn begin(ram: &mut Ram<u64>) {
    ram.connected("pod-a", "orders", "session");
    run(ram);
    ram.control_was_read(1);
}

fn message(origin: Origin, tag: u64, producer: &str, seq: u64) -> Arrival {
    let kind = Kind::Sequenced(MessageId { producer: producer.to_owned(), seq });
    Arrival { origin, tag, kind, routing_key: String::new(), body: b"one".to_vec() }
}

fn command(ram: &mut Ram<u64>, tag: u64, body: CommandBody) {
    let command = Command { version: CONTRACT_VERSION, migration: "m".to_owned(), epoch: 1, body };
    ram.commanded(tag, Some(command));
}

fn target() -> Ram<u64> {
    target_that_knows(&[])
}

/// Takes part in migration m, is copied, and wakes up in another pod, where it reads R.
fn target_that_knows(known: &[(&str, u64)]) -> Ram<u64> {
    let mut ram = Ram::<u64>::fresh(None);
    begin(&mut ram);
    run(&mut ram);
    for (tag, (producer, seq)) in (50..).zip(known) {
        ram.delivered(message(Origin::Primary, tag, producer, *seq));
    }
    run(&mut ram);
    let (migration, source, nonce) = ("m".to_owned(), "pod-a".to_owned(), "n".to_owned());
    let sync = Marker::Sync { version: CONTRACT_VERSION, migration, epoch: 1, nonce, source };
    let kind = Kind::Marker(sync);
    ram.delivered(Arrival { kind, ..message(Origin::Primary, 1, "p", 1) });
    run(&mut ram);
    ram.connected("pod-b", "orders", "session-2");
    run(&mut ram);
    let (session, replay_queue) = ("session-2".to_owned(), "r".to_owned());
    command(&mut ram, 2, CommandBody::StartReplay { session, replay_queue });
    let steps = run(&mut ram);
    assert!(steps.contains(&Step::OpenReplay("r".to_owned())), "{steps:?}");
    assert_eq!(ram.role(), Role::Target);
    ram
}

#[test]
fn a_process_that_is_asked_who_it_is_says_which_queue_it_owns() {
    let mut ram = Ram::<u64>::fresh(None);
    begin(&mut ram);
    run(&mut ram);
    command(&mut ram, 2, CommandBody::Probe);
    let answer = run(&mut ram).into_iter().find_map(|step| match step {
        Step::Reply(reply) => Some(reply.body),
        _ => None,
    });
    let probed = ReplyBody::Probed {
        last_epoch: 0,
        nonce: None,
        owner: true,
        queue: Some("orders".to_owned()),
        sequenced: true,
    };
    assert_eq!(answer, Some(probed));
}

/// Does every step, and says which messages were worked on.
fn work(ram: &mut Ram<u64>) -> Vec<(Origin, u64)> {
    let mut worked = Vec::new();
    while let Some(step) = ram.next_step(&Echo) {
        if let (Step::Work(_), Some(hand)) = (&step, &ram.line.in_hand) {
            worked.push((hand.arrival.origin, hand.arrival.tag));
        }
        ram.done(&Echo, &step, StepResult::Done);
    }
    worked
}

#[test]
fn a_new_owner_whose_queue_is_never_empty_reads_the_replay_queue_to_its_end_too() {
    let mut ram = target();
    let session = || "session-2".to_owned();
    command(&mut ram, 3, CommandBody::EndReplay { session: session(), ledger: None });
    ram.delivered(end(1, 1));
    run(&mut ram);
    command(&mut ram, 4, CommandBody::TakeOver { session: session() });
    run(&mut ram);
    assert_eq!(ram.role(), Role::Owner);
    for tag in 0..6 {
        ram.delivered(message(Origin::Primary, 10 + tag, "p", 1 + tag));
        ram.delivered(message(Origin::Replay, 20 + tag, "q", 1 + tag));
    }
    let worked = work(&mut ram);
    assert_eq!(worked.len(), 12, "{worked:?}");
    for turn in worked.chunks(2) {
        assert_ne!(turn[0].0, turn[1].0, "{worked:?}");
    }
}

#[test]
fn a_busy_target_says_how_far_it_is_between_two_messages() {
    let mut ram = target();
    for tag in 1..=4 {
        ram.delivered(message(Origin::Replay, tag, "p", tag));
    }
    // Time passes while it works on the first.
    assert!(matches!(ram.next_step(&Echo), Some(Step::Work(_))));
    ram.ticked(true);
    ram.done(&Echo, &Step::Work(Duration::ZERO), StepResult::Done);
    let steps = run(&mut ram);
    let says = |step: &Step| match step {
        Step::Reply(reply) => match reply.body {
            ReplyBody::Progress { read, applied, .. } => Some((read, applied)),
            _ => None,
        },
        _ => None,
    };
    let progress = steps.iter().find_map(says);
    assert_eq!(progress, Some((1, 1)), "{steps:?}");
    assert_eq!(ram.ledger().standing(&MessageId { producer: "p".to_owned(), seq: 4 }), Standing::Known);
}

#[test]
fn what_a_lost_connection_left_unconfirmed_is_emitted_before_stopped_is_said() {
    let mut ram = Ram::<u64>::fresh(None);
    begin(&mut ram);
    run(&mut ram);
    ram.delivered(message(Origin::Primary, 1, "p", 1));
    let work = ram.next_step(&Echo);
    assert!(matches!(work, Some(Step::Work(_))), "{work:?}");
    ram.done(&Echo, &Step::Work(Duration::ZERO), StepResult::Done);
    assert!(matches!(ram.next_step(&Echo), Some(Step::Publish(_))));
    // The connection breaks while the output waits for its confirm; STOP is there before Q delivers again.
    ram.disconnected();
    ram.connected("pod-a", "orders", "session-2");
    command(&mut ram, 7, CommandBody::Stop);
    let steps = run(&mut ram);
    let emitted = steps.iter().position(|step| matches!(step, Step::Publish(_)));
    let stopped = steps.iter().position(|step| matches!(step, Step::Reply(_)));
    assert!(emitted.is_some() && emitted < stopped, "{steps:?}");
    assert_eq!(ram.held_outputs.len(), 0);
}

fn end(tag: u64, round: u32) -> Arrival {
    let (version, migration, session) = (CONTRACT_VERSION, "m".to_owned(), "session-2".to_owned());
    let end = Marker::End { version, migration, epoch: 1, session, round };
    Arrival { kind: Kind::Marker(end), ..message(Origin::Replay, tag, "", 0) }
}

/// What a copy answers to `END` when nobody knows what the source processed: the ranges that it misses.
fn misses(ram: &mut Ram<u64>, read: &[(&str, u64)]) -> Option<Vec<(String, u64, u64)>> {
    let session = || "session-2".to_owned();
    for (tag, (producer, seq)) in (10..).zip(read) {
        ram.delivered(message(Origin::Replay, tag, producer, *seq));
    }
    ram.delivered(end(99, 1));
    command(ram, 3, CommandBody::EndReplay { session: session(), ledger: None });
    run(ram).iter().find_map(|step| match step {
        Step::Reply(reply) => match &reply.body {
            ReplyBody::Gap { missing, .. } => {
                Some(missing.iter().map(|m| (m.producer.clone(), m.first, m.last)).collect())
            }
            ReplyBody::Drained { .. } => Some(Vec::new()),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_held_message_is_a_gap_although_nobody_knows_what_the_source_processed() {
    let p = || "p".to_owned();
    let missing = misses(&mut target_that_knows(&[]), &[("p", 1), ("p", 2), ("p", 5), ("p", 8)]);
    assert_eq!(missing, Some(vec![(p(), 3, 4), (p(), 6, 7)]));
}

/// Found by seed 1659: a producer's first message went past the replay queue, and only a dead source had it.
#[test]
fn a_producer_that_begins_in_the_middle_is_a_gap_where_all_others_began_at_their_beginning() {
    let q = || "q".to_owned();
    let missing = misses(&mut target_that_knows(&[("p", 1)]), &[("p", 2), ("q", 3), ("q", 5), ("r", 1)]);
    assert_eq!(missing, Some(vec![(q(), 1, 2), (q(), 4, 4)]));
}

#[test]
fn what_was_sent_before_the_state_began_is_no_gap() {
    for (known, read) in [
        // It began in the middle of p, so it may have begun after q's first messages, too.
        (&[("p", 7)][..], &[("p", 8), ("q", 3)][..]),
        (&[("p", 1), ("o", 9)], &[("q", 3)]),
        // It knows nobody.
        (&[], &[("q", 3)]),
        // The checkpoint has it from where the state began.
        (&[("q", 3)], &[("q", 4)]),
    ] {
        let mut ram = target_that_knows(known);
        assert_eq!(misses(&mut ram, read), Some(Vec::new()), "{known:?} {read:?}");
        for (producer, seq) in read {
            assert!(ram.ledger().contains(&MessageId { producer: (*producer).to_owned(), seq: *seq }));
        }
    }
}

/// The source had reached neither: its first message went past R, and waits in Q behind its backlog.
#[test]
fn a_second_message_of_the_replay_queue_waits_for_the_first_one_in_the_primary_queue() {
    let session = || "session-2".to_owned();
    let mut ram = target_that_knows(&[("p", 7)]);
    ram.delivered(message(Origin::Replay, 10, "q", 2));
    ram.delivered(end(11, 1));
    let ledger = Some(ram.ledger().clone());
    command(&mut ram, 3, CommandBody::EndReplay { session: session(), ledger });
    run(&mut ram);
    command(&mut ram, 4, CommandBody::TakeOver { session: session() });
    run(&mut ram);
    assert!(!ram.ledger().knows("q") && ram.role() == Role::Owner);
    for (tag, seq) in [(20, 1), (21, 2), (22, 3)] {
        ram.delivered(message(Origin::Primary, tag, "q", seq));
    }
    run(&mut ram);
    assert_eq!((*ram.state(), ram.ledger().len()), (4, 4));
}

#[test]
fn where_the_source_begins_to_know_a_producer_its_copy_does() {
    let session = || "session-2".to_owned();
    let mut ram = target_that_knows(&[("p", 1)]);
    let mut source = ram.ledger().clone();
    for seq in [3, 4] {
        ram.delivered(message(Origin::Replay, seq, "q", seq));
        source.insert(&MessageId { producer: "q".to_owned(), seq });
    }
    ram.delivered(end(11, 1));
    run(&mut ram);
    assert!(!ram.ledger().knows("q"));
    command(&mut ram, 3, CommandBody::EndReplay { session: session(), ledger: Some(source.clone()) });
    let steps = run(&mut ram);
    let drained =
        |step: &Step| matches!(step, Step::Reply(reply) if matches!(reply.body, ReplyBody::Drained { .. }));
    assert!(steps.iter().any(drained), "{steps:?}");
    assert_eq!(*ram.ledger(), source);
}

/// It went past R, and only a dead source had it; R showed nothing by then.
#[test]
fn what_the_primary_queue_shows_to_be_missing_is_told_at_the_end_of_the_replay_queue() {
    let mut ram = owner_of_a_dead_sources_state();
    ram.delivered(message(Origin::Primary, 20, "q", 2));
    run(&mut ram);
    assert_eq!(told_missing_at_the_end(&mut ram), [first_of("q")]);
}

/// The second one is as much a gap as the first, although the state has begun in somebody's middle by then.
#[test]
fn every_producer_that_had_to_be_taken_from_its_middle_is_told() {
    let mut ram = owner_of_a_dead_sources_state();
    ram.delivered(message(Origin::Primary, 20, "q", 2));
    ram.delivered(message(Origin::Primary, 21, "r", 2));
    run(&mut ram);
    assert_eq!(told_missing_at_the_end(&mut ram), [first_of("q"), first_of("r")]);
}

#[test]
fn a_producer_taken_from_its_middle_does_not_let_the_replay_queue_begin_in_the_middle_of_another() {
    let mut ram = owner_of_a_dead_sources_state();
    ram.delivered(message(Origin::Primary, 20, "q", 2));
    ram.delivered(message(Origin::Replay, 25, "r", 2));
    run(&mut ram);
    assert!(!ram.ledger().knows("r"), "its first message is still in the primary queue");
    for (tag, seq) in [(21, 1), (22, 2)] {
        ram.delivered(message(Origin::Primary, tag, "r", seq));
    }
    run(&mut ram);
    let r = |seq| MessageId { producer: "r".to_owned(), seq };
    assert!(ram.ledger().contains(&r(1)) && ram.ledger().contains(&r(2)));
}

/// The source is dead, its state knew p from its first message on, and its copy has taken the queue over.
fn owner_of_a_dead_sources_state() -> Ram<u64> {
    let mut ram = target_that_knows(&[("p", 1)]);
    assert_eq!(misses(&mut ram, &[("p", 2)]), Some(Vec::new()));
    command(&mut ram, 4, CommandBody::TakeOver { session: "session-2".to_owned() });
    run(&mut ram);
    assert_eq!(ram.role(), Role::Owner);
    ram
}

fn told_missing_at_the_end(ram: &mut Ram<u64>) -> Vec<MissingMessages> {
    ram.delivered(end(30, 2));
    let gap = |step: Step| match step {
        Step::Reply(reply) => match reply.body {
            ReplyBody::Gap { missing, .. } => Some(missing),
            _ => None,
        },
        _ => None,
    };
    run(ram).into_iter().find_map(gap).unwrap_or_default()
}

fn first_of(producer: &str) -> MissingMessages {
    MissingMessages { producer: producer.to_owned(), first: 1, last: 1 }
}

/// Says what it cannot read, or is told by its message where to publish.
struct Careless;

impl Handler for Careless {
    type State = u64;

    fn apply(&self, _: &mut u64, message: &Message) -> Result<Option<Output>, Malformed> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if text.starts_with("key ") {
            return Ok(Some(Output { exchange: "results".to_owned(), routing_key: text, body: Vec::new() }));
        }
        Err(Malformed(format!("cannot read {text}")))
    }
}

/// What comes of a message in the end, and how often it was asked for.
fn published(body: String) -> Publication {
    let mut ram = Ram::<u64>::fresh(None);
    begin(&mut ram);
    run(&mut ram);
    ram.delivered(Arrival { body: body.into_bytes(), ..message(Origin::Primary, 2, "p", 1) });
    let steps = std::iter::from_fn(|| {
        let step = ram.next_step(&Careless)?;
        ram.done(&Careless, &step, StepResult::Done);
        Some(step)
    });
    let published: Vec<Publication> = steps
        .filter_map(|step| match step {
            Step::Publish(publication) => Some(*publication),
            _ => None,
        })
        .collect();
    let [publication] = published.as_slice() else { panic!("{published:?}") };
    publication.clone()
}

/// The broker ends a connection whose headers do not fit into a frame: the message would come again, and again.
#[test]
fn why_a_message_is_a_dead_letter_is_said_in_a_few_words() {
    let short = published("words".to_owned()).dead_letter.unwrap();
    assert_eq!(short, "cannot read words");
    // Every letter has two bytes, so that the limit falls into the middle of one.
    let long = published("\u{e9}".repeat(100_000));
    let why = long.dead_letter.unwrap();
    assert!((1_000..=1_024).contains(&why.len()) && why.starts_with("cannot read \u{e9}"), "{}", why.len());
    assert_eq!(long.body.len(), 200_000);
}

#[test]
fn an_output_whose_name_amqp_cannot_write_is_a_dead_letter() {
    let sent = published(format!("key {}", "k".repeat(251)));
    assert_eq!((sent.routing_key.len(), sent.dead_letter), (255, None));
    let dead = published(format!("key {}", "k".repeat(252)));
    let why = dead.dead_letter.unwrap();
    assert_eq!(why, "its output's routing key has 256 bytes, and AMQP knows 255 at most");
    assert_eq!(dead.id, Some(MessageId { producer: "p".to_owned(), seq: 1 }));
}

/// Nothing is acked, and nothing else begun, before the broker has taken it.
#[test]
fn an_output_that_the_broker_refuses_is_published_again() {
    let mut ram = Ram::<u64>::fresh(None);
    begin(&mut ram);
    run(&mut ram);
    ram.delivered(message(Origin::Primary, 2, "p", 1));
    assert!(matches!(ram.next_step(&Echo), Some(Step::Work(_))));
    ram.done(&Echo, &Step::Work(Duration::ZERO), StepResult::Done);
    let publish = ram.next_step(&Echo).unwrap();
    assert!(matches!(publish, Step::Publish(_)), "{publish:?}");
    for _ in 0..3 {
        ram.done(&Echo, &publish, StepResult::Refused);
        assert_eq!(ram.next_step(&Echo).as_ref(), Some(&publish));
    }
    ram.done(&Echo, &publish, StepResult::Done);
    assert_eq!(ram.next_step(&Echo), Some(Step::Ack(Origin::Primary, 2)));
    assert_eq!(ram.stats().emitted, 1);
}
