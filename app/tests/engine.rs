//! The engine under any interleaving: deliveries, redeliveries, commands of any epoch, broken connections, copies.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ms2m_app::{
    Handler, Malformed, Message, Output,
    contract::{CONTRACT_VERSION, Command, CommandBody, Marker, MessageId, ReplyBody},
    engine::{Arrival, Kind, Origin, Ram, Role, Step, StepResult},
};
use proptest::prelude::*;

/// Remembers every message it was shown, in order, those that it does not understand included, so that those are seen
/// to be shown once, too. It understands all but every fifth.
struct Log;

impl Handler for Log {
    type State = Vec<MessageId>;

    fn apply(&self, state: &mut Self::State, message: &Message) -> Result<Option<Output>, Malformed> {
        state.push(message.id.clone());
        if message.id.seq.is_multiple_of(5) {
            return Err(Malformed("every fifth".to_owned()));
        }
        let (exchange, routing_key) = ("results".to_owned(), message.id.producer.clone());
        Ok(Some(Output { exchange, routing_key, body: message.body.clone() }))
    }

    fn cost(&self, _: &Message) -> Duration {
        Duration::from_millis(1)
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// The broker delivers the next messages of Q.
    Deliver(u8),
    /// The process does some steps.
    Run(u8),
    /// The connection breaks, and is made again.
    Reconnect,
    Command(u64, Told),
    /// A `SYNC` in Q for this pod, or for another.
    Sync(u64, bool),
    Malformed,
    Tick,
    /// The process is checkpointed, and goes on as its own copy in another pod, which reads R.
    Move,
}

#[derive(Clone, Debug)]
enum Told {
    Probe,
    Stop,
    Resume,
    StartReplay(bool),
    EndReplay(bool),
    TakeOver(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let told = prop_oneof![
        Just(Told::Probe),
        Just(Told::Stop),
        Just(Told::Resume),
        any::<bool>().prop_map(Told::StartReplay),
        any::<bool>().prop_map(Told::EndReplay),
        any::<bool>().prop_map(Told::TakeOver),
    ];
    let act = prop_oneof![
        6 => (1_u8..6).prop_map(Act::Deliver),
        8 => (1_u8..20).prop_map(Act::Run),
        2 => Just(Act::Reconnect),
        4 => (0_u64..4, told).prop_map(|(epoch, told)| Act::Command(epoch, told)),
        1 => (0_u64..4, any::<bool>()).prop_map(|(epoch, ours)| Act::Sync(epoch, ours)),
        1 => Just(Act::Malformed),
        1 => Just(Act::Tick),
        1 => Just(Act::Move),
    ];
    proptest::collection::vec(act, 1..80)
}

/// One process, and a broker that keeps what it has not acked.
struct World {
    ram: Ram<Vec<MessageId>>,
    pod: String,
    connections: u32,
    /// Q: what is in it, in order. Two producers, with a message sent twice.
    queue: Vec<Content>,
    /// What is delivered and not acked, by tag.
    unacked: BTreeMap<u64, Content>,
    /// The pod's control queue: what is not acked comes again with the next connection.
    control: BTreeMap<u64, Option<Command>>,
    /// Everything that was ever published into R.
    replay: Vec<Content>,
    next_of_replay: usize,
    tag: u64,
    open: [bool; 2],
    stopped: bool,
}

#[derive(Clone, Debug)]
enum Content {
    Message(MessageId),
    Marker(Marker),
}

impl World {
    fn new() -> Self {
        let mut queue = Vec::new();
        for seq in 1..=12 {
            for producer in ["p", "q"] {
                let id = MessageId { producer: producer.to_owned(), seq };
                queue.push(Content::Message(id.clone()));
                // A confirm was lost: the publisher sent it again.
                if seq % 4 == 0 {
                    queue.push(Content::Message(id));
                }
            }
        }
        // And one was overtaken by its successor.
        queue.swap(3, 5);
        let mut world = Self {
            ram: Ram::fresh(None),
            pod: "pod-0".to_owned(),
            connections: 0,
            replay: queue.clone(),
            queue,
            unacked: BTreeMap::new(),
            control: BTreeMap::new(),
            next_of_replay: 0,
            tag: 0,
            open: [false; 2],
            stopped: false,
        };
        world.connect();
        world
    }

    fn session(&self) -> String {
        format!("session-{}", self.connections)
    }

    fn connect(&mut self) {
        let mut back: Vec<Content> = std::mem::take(&mut self.unacked).into_values().collect();
        back.append(&mut self.queue);
        self.queue = back;
        (self.open, self.next_of_replay) = ([false; 2], 0);
        self.connections += 1;
        self.ram.connected(&self.pod.clone(), "orders", &self.session());
        for command in std::mem::take(&mut self.control).into_values() {
            self.tell(command);
        }
        self.tag += 1;
        self.ram.control_was_read(self.tag);
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Deliver(count) => (0..*count).for_each(|_| self.deliver()),
            Act::Run(steps) => (0..*steps).for_each(|_| self.step()),
            Act::Reconnect => self.connect(),
            Act::Command(epoch, told) => self.command(*epoch, told),
            Act::Sync(epoch, ours) => {
                let source = if *ours { self.pod.clone() } else { "another".to_owned() };
                let (migration, nonce) = ("m".to_owned(), format!("n-{epoch}"));
                let marker =
                    Marker::Sync { version: CONTRACT_VERSION, migration, epoch: *epoch, nonce, source };
                self.queue.push(Content::Marker(marker));
            }
            Act::Malformed => self.tell(None),
            Act::Tick => self.ram.ticked(true),
            Act::Move => {
                self.ram = self.ram.clone();
                self.pod = format!("pod-{}", self.connections);
                self.stopped = false;
                self.control.clear();
                self.connect();
            }
        }
    }

    fn tell(&mut self, command: Option<Command>) {
        self.tag += 1;
        self.control.insert(self.tag, command.clone());
        self.ram.commanded(self.tag, command);
    }

    fn command(&mut self, epoch: u64, told: &Told) {
        let session = |current: bool| if current { self.session() } else { "another".to_owned() };
        let body = match told {
            Told::Probe => CommandBody::Probe,
            Told::Stop => CommandBody::Stop,
            Told::Resume => CommandBody::Resume,
            Told::StartReplay(current) => {
                CommandBody::StartReplay { session: session(*current), replay_queue: "r".to_owned() }
            }
            Told::EndReplay(current) => CommandBody::EndReplay { session: session(*current), ledger: None },
            Told::TakeOver(current) => CommandBody::TakeOver { session: session(*current) },
        };
        self.tell(Some(Command { version: CONTRACT_VERSION, migration: "m".to_owned(), epoch, body }));
    }

    fn deliver(&mut self) {
        self.tag += 1;
        let tag = self.tag;
        if self.open[0] && !self.queue.is_empty() {
            let content = self.queue.remove(0);
            self.unacked.insert(tag, content.clone());
            self.ram.delivered(arrival(Origin::Primary, tag, &content));
        } else if self.open[1]
            && let Some(content) = self.replay.get(self.next_of_replay).cloned()
        {
            self.next_of_replay += 1;
            self.ram.delivered(arrival(Origin::Replay, tag, &content));
        }
    }

    fn step(&mut self) {
        let Some(step) = self.ram.next_step(&Log) else { return };
        // It obeyed RESUME, whether or not it could say so yet.
        self.stopped &= self.ram.role() == Role::Stopped;
        match &step {
            Step::OpenPrimary => {
                assert_eq!(self.ram.role(), Role::Owner, "only the owner touches Q");
                self.open[0] = true;
            }
            Step::ClosePrimary => {
                self.open[0] = false;
                let mut back: Vec<Content> = std::mem::take(&mut self.unacked).into_values().collect();
                back.append(&mut self.queue);
                self.queue = back;
            }
            Step::OpenReplay(_) => self.open[1] = true,
            Step::Publish(_) => {
                assert!(!self.stopped, "nothing is emitted after STOPPED");
                assert_ne!(self.ram.role(), Role::Target, "a copy holds its outputs");
            }
            Step::AckControl(tag) => drop(self.control.remove(tag)),
            Step::Reply(reply) => {
                if let ReplyBody::Stopped { .. } = &reply.body {
                    assert!(!self.open[0], "STOPPED is said after the channel is closed");
                    // A later RESUME may have been obeyed before this could be said.
                    self.stopped = self.ram.role() == Role::Stopped;
                }
            }
            Step::Ack(Origin::Primary, tag) => self.acked(*tag),
            _ => {}
        }
        self.ram.done(&Log, &step, StepResult::Done);
    }

    fn acked(&mut self, tag: u64) {
        assert!(!self.stopped, "nothing is acked after STOPPED");
        if let Some(Content::Message(id)) = self.unacked.remove(&tag) {
            assert!(self.ram.ledger().contains(&id), "{id:?} is acked and not applied");
        }
    }

    fn check(&self) {
        let applied = self.ram.state();
        let once: BTreeSet<&MessageId> = applied.iter().collect();
        assert_eq!(once.len(), applied.len(), "applied twice: {applied:?}");
        for producer in ["p", "q"] {
            let of_producer = applied.iter().filter(|id| id.producer == producer).map(|id| id.seq);
            assert!(of_producer.is_sorted(), "out of order: {applied:?}");
        }
        assert!(applied.iter().all(|id| self.ram.ledger().contains(id)));
        let understood = applied.iter().filter(|id| !id.seq.is_multiple_of(5)).count();
        assert_eq!(usize::try_from(self.ram.stats().applied).ok(), Some(understood));
    }
}

fn arrival(origin: Origin, tag: u64, content: &Content) -> Arrival {
    let kind = match content {
        Content::Message(id) => Kind::Sequenced(id.clone()),
        Content::Marker(marker) => Kind::Marker(marker.clone()),
    };
    Arrival { origin, tag, kind, routing_key: "new".to_owned(), body: b"x".to_vec() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_applied_twice_nor_out_of_order_nor_acked_before_it_is_applied(acts in acts()) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.check();
        }
    }

    /// Whatever happened: when the faults end and the process owns Q, everything in it is applied.
    #[test]
    fn an_owner_that_is_left_alone_applies_all_of_the_queue(acts in acts()) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        if world.ram.role() == Role::Target {
            return Ok(());
        }
        world.command(u64::MAX, &Told::Resume);
        for _ in 0..400 {
            world.act(&Act::Deliver(1));
            world.act(&Act::Run(6));
        }
        world.check();
        prop_assert_eq!(world.queue.len(), 0);
        prop_assert_eq!(world.unacked.len(), 0, "{:?}", world.unacked);
    }
}
