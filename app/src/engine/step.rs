use crate::seeded_bug::{self, SeededBug};
use std::time::Duration;

use super::{
    Origin, Ram,
    ram::{Role, Stage, Subscription},
};
use crate::{
    Handler,
    contract::{CONTRACT_VERSION, MessageId, Reply, ReplyBody},
};

/// Something that the shell does next; the engine asks for one at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Publish a message to oneself through the control queue: when it comes back, everything before it was read.
    FlushControl,
    /// Ack a message of the control queue.
    AckControl(u64),
    /// Consume `Q`, exclusively.
    OpenPrimary,
    /// Close the channel that consumes `Q`; what was prefetched returns to it.
    ClosePrimary,
    /// Read `R` from its start.
    OpenReplay(String),
    /// Say something to the operator, and wait for the broker's confirm.
    Reply(Box<Reply>),
    /// Spend the time that a message's work takes.
    Work(Duration),
    /// Publish, and wait for the confirm.
    Publish(Box<Publication>),
    /// Ack a delivery; of `R` that only grants credit.
    Ack(Origin, u64),
    /// End the process: it is a copy that nobody waits for.
    Exit(String),
}

/// A message that this process publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Exchange; empty for a queue by its name.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Whose output it is; none for what cannot be told.
    pub id: Option<MessageId>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether it is a dead letter rather than an output; why.
    pub dead_letter: Option<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// It is done.
    Done,
    /// The broker refused: the consumer slot is taken, the queue is not there, or it does not take the message now.
    Refused,
    /// Nobody has a queue for it.
    Unroutable,
}

/// A reply in the making.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub(crate) migration: String,
    pub(crate) epoch: u64,
    pub(crate) body: ReplyBody,
    /// The command that it answers, acked after it.
    pub(crate) answers: Option<u64>,
}

impl<S: Clone + Default> Ram<S> {
    /// What is to be done now; none when there is nothing until something arrives or time passes.
    pub fn next_step<H: Handler<State = S>>(&mut self, handler: &H) -> Option<Step> {
        loop {
            if let Some(step) = self.owed(handler) {
                return Some(step);
            }
            // Only between two messages: STOP finishes the one in hand first.
            if self.obey_next_command() || self.speak() {
                continue;
            }
            if let Some(step) = self.subscribe() {
                return Some(step);
            }
            if !self.take_next(handler) {
                return None;
            }
        }
    }

    /// What was begun, and is finished before anything else begins.
    fn owed<H: Handler<State = S>>(&mut self, handler: &H) -> Option<Step> {
        if !self.line.flush_sent {
            return Some(Step::FlushControl);
        }
        if let Some(tag) = self.line.control_acks.front() {
            return Some(Step::AckControl(*tag));
        }
        if let Some(output) = self.owed_output() {
            return Some(Step::Publish(Box::new(output)));
        }
        if self.line.primary != Subscription::Open
            && let Some(say) = self.line.when_closed.take()
        {
            self.say(say);
        }
        if let Some(say) = self.line.replies.front() {
            return Some(Step::Reply(Box::new(self.reply(say))));
        }
        self.step_in_hand(handler)
    }

    /// An output that a lost connection left unconfirmed. `STOPPED` says that all of them are emitted: the target drops
    /// its own copies of them.
    fn owed_output(&self) -> Option<Publication> {
        if seeded_bug::is(SeededBug::StoppedOwingOutputs) {
            return None;
        }
        let stopping = self.role() == Role::Stopped && self.line.in_hand.is_none();
        stopping.then(|| self.held_outputs.values().next().cloned()).flatten()
    }

    fn reply(&self, say: &Say) -> Reply {
        Reply {
            version: CONTRACT_VERSION,
            migration: say.migration.clone(),
            epoch: say.epoch,
            pod_uid: self.pod_uid.clone(),
            body: say.body.clone(),
        }
    }

    fn step_in_hand<H: Handler<State = S>>(&mut self, handler: &H) -> Option<Step> {
        let hand = self.line.in_hand.as_ref()?;
        Some(match &hand.stage {
            Stage::Working(message) => Step::Work(handler.cost(message)),
            Stage::Emitting(_, output) => Step::Publish(Box::new(output.clone())),
            Stage::Acking => Step::Ack(hand.arrival.origin, hand.arrival.tag),
        })
    }

    fn subscribe(&mut self) -> Option<Step> {
        let owns = self.role() == Role::Owner && self.line.control_read;
        if owns && self.line.primary == Subscription::Closed {
            return Some(Step::OpenPrimary);
        }
        if !owns && self.line.primary == Subscription::Open {
            return Some(Step::ClosePrimary);
        }
        let target = self.target.as_ref().filter(|target| !target.finished)?;
        let queue = target.replay_queue.clone()?;
        (self.line.replay == Subscription::Closed).then_some(Step::OpenReplay(queue))
    }

    /// The shell did a step.
    pub fn done<H: Handler<State = S>>(
        &mut self,
        handler: &H,
        step: &Step,
        result: StepResult,
    ) -> Option<Step> {
        match step {
            Step::FlushControl => self.line.flush_sent = true,
            Step::AckControl(_) => drop(self.line.control_acks.pop_front()),
            Step::OpenPrimary => self.primary_answered(result),
            Step::ClosePrimary => {
                self.line.primary = Subscription::Closed;
                self.forget_primary();
            }
            Step::OpenReplay(_) => self.replay_answered(result),
            Step::Reply(reply) => return self.replied(reply, result),
            Step::Work(_) => self.worked(handler),
            // A queue that is full may not be so for long: the step comes again.
            Step::Publish(_) if result == StepResult::Refused => {}
            Step::Publish(publication) => self.published(publication),
            Step::Ack(..) => self.acked(),
            Step::Exit(_) => {}
        }
        None
    }

    fn primary_answered(&mut self, result: StepResult) {
        if result != StepResult::Done {
            self.line.primary = Subscription::Refused;
            return;
        }
        self.line.primary = Subscription::Open;
        if let Some(say) = self.line.when_granted.take() {
            self.say(say);
        }
    }

    fn replay_answered(&mut self, result: StepResult) {
        if result != StepResult::Done {
            self.line.replay = Subscription::Refused;
            self.replay_missing();
            return;
        }
        self.line.replay = Subscription::Open;
        self.replay_opened();
    }

    fn replied(&mut self, reply: &Reply, result: StepResult) -> Option<Step> {
        let said = self.line.replies.pop_front();
        if let Some(tag) = said.and_then(|say| say.answers) {
            self.line.control_acks.push_back(tag);
        }
        let hello = matches!(reply.body, ReplyBody::Hello { .. });
        (hello && result == StepResult::Unroutable)
            .then(|| Step::Exit("nobody waits for this copy: its migration has no replies queue".to_owned()))
    }

    fn published(&mut self, publication: &Publication) {
        match &mut self.line.in_hand {
            Some(hand) => hand.stage = Stage::Acking,
            None => drop(publication.id.as_ref().and_then(|id| self.held_outputs.remove(id))),
        }
        if publication.dead_letter.is_some() {
            self.stats.dead_lettered += 1;
        } else {
            self.stats.emitted += 1;
        }
    }
}
