use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use amq_protocol::{frame::AMQPFrame, types::FieldTable};
use tokio::sync::{Notify, mpsc::UnboundedSender};

use super::{
    acts::Acts,
    clock::Clock,
    exception::Exception,
    message::Message,
    queue::{Queue, Stored},
    routing::{Binding, Exchange, standard_exchanges},
};
use crate::report::Letter;

/// Everything that the broker knows. Synchronous; its order is that of its maps.
#[derive(Default)]
pub(super) struct Broker {
    pub(super) clock: Clock,
    pub(super) exchanges: BTreeMap<String, Exchange>,
    pub(super) bindings: Vec<Binding>,
    pub(super) queues: BTreeMap<String, Queue>,
    incarnations: u64,
    pub(super) clients: BTreeMap<u64, Client>,
    pub(super) next_client: u64,
    /// Publishes are routed, but not confirmed.
    pub(super) withholds_confirms: bool,
    /// There is too little memory: nothing is read of a connection that publishes.
    pub(super) memory_alarm: bool,
    pub(super) alarm_over: Arc<Notify>,
    /// What happens next by itself may happen at another time than before.
    pub(super) deadline_moved: Arc<Notify>,
    pub(super) generated_names: u64,
    /// The last control messages, oldest first.
    pub(super) recent_control: VecDeque<Arc<Message>>,
    /// Every control message, as a report shows it.
    pub(super) letters: Vec<Letter>,
    pub(super) acts: Acts,
    /// How often the management API was asked.
    pub(super) management_requests: u64,
    /// How long after its confirm a binding is in force.
    pub(super) binding_delay: Option<Duration>,
    /// By queue, who was refused as a consumer because another has it, and who has it; as their clients are named.
    pub(super) refused_consumers: BTreeMap<String, BTreeSet<(String, String)>>,
    /// When streams can be read again after a restart.
    pub(super) streams_back_at: Duration,
}

/// A connection.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) outbox: UnboundedSender<AMQPFrame>,
    pub(super) channels: BTreeMap<u16, Channel>,
    /// Bytes of a body in one frame, as it was negotiated.
    pub(super) body_bytes_max: usize,
    pub(super) capabilities: FieldTable,
    /// Nothing of it is read, and it was told so.
    pub(super) is_blocked: bool,
}

impl Client {
    pub(super) fn new(outbox: UnboundedSender<AMQPFrame>) -> Self {
        Self {
            name: String::new(),
            outbox,
            channels: BTreeMap::new(),
            body_bytes_max: FRAME_BODY_MAX,
            capabilities: FieldTable::default(),
            is_blocked: false,
        }
    }
}

/// A channel.
#[derive(Default)]
pub(super) struct Channel {
    pub(super) confirms: bool,
    pub(super) published: u64,
    /// For the consumers that come.
    pub(super) prefetch: u16,
    /// For all its consumers together.
    pub(super) prefetch_total: u16,
    pub(super) next_tag: u64,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    /// An exception was sent: everything but the client's answer is dropped.
    pub(super) closing: bool,
}

impl Channel {
    /// Whether its consumers may get more.
    pub(super) fn has_room(&self) -> bool {
        let held = || self.unacked.values().filter(|unacked| !unacked.consumer.is_empty()).count();
        self.prefetch_total == 0 || held() < usize::from(self.prefetch_total)
    }
}

/// A delivery that was not acked.
pub(super) struct Unacked {
    pub(super) queue: String,
    /// Which of the queues of that name.
    pub(super) incarnation: u64,
    /// Empty for what was got without one.
    pub(super) consumer: String,
    pub(super) stored: Stored,
}

impl Broker {
    pub(super) fn new() -> Self {
        Self { exchanges: standard_exchanges(), ..Self::default() }
    }

    pub(super) fn send(&self, client: u64, frame: AMQPFrame) {
        if let Some(client) = self.clients.get(&client) {
            // A client that is gone reads no more.
            let _ = client.outbox.send(frame);
        }
    }

    pub(super) fn channel(&mut self, client: u64, channel: u16) -> Option<&mut Channel> {
        self.clients.get_mut(&client)?.channels.get_mut(&channel)
    }

    /// The connections that their clients named so.
    pub(super) fn named(&self, name: &str) -> Vec<u64> {
        let named = self.clients.iter().filter(|(_, client)| client.name == name);
        named.map(|(client, _)| *client).collect()
    }

    /// Notes that a queue has another consumer.
    pub(super) fn note_refusal(&mut self, client: u64, queue: &str) {
        let consumers = self.queues.get(queue).into_iter().flat_map(|queue| &queue.consumers);
        let holders: Vec<u64> = consumers.map(|consumer| consumer.connection).collect();
        let refused = self.client_name(client);
        let pairs = holders.into_iter().map(|holder| (refused.clone(), self.client_name(holder)));
        let pairs: Vec<(String, String)> = pairs.collect();
        self.refused_consumers.entry(queue.to_owned()).or_default().extend(pairs);
    }

    /// A connection's channels, but for those that the broker is closing.
    pub(super) fn open_channels(&self, client: u64) -> Vec<u16> {
        let channels = self.clients.get(&client).map(|client| &client.channels);
        let open = channels.into_iter().flatten().filter(|(_, channel)| !channel.closing);
        open.map(|(channel, _)| *channel).collect()
    }

    /// Puts a queue there, unless there is one of that name.
    pub(super) fn create_queue(&mut self, name: &str, queue: Queue) {
        if self.queues.contains_key(name) {
            return;
        }
        self.incarnations += 1;
        let queue = Queue { incarnation: self.incarnations, last_used: self.clock.now(), ..queue };
        self.queues.insert(name.to_owned(), queue);
    }

    /// A queue that this connection may use.
    ///
    /// # Errors
    /// There is none, or it is another connection's own.
    pub(super) fn queue_for(&mut self, client: u64, name: &str) -> Result<&mut Queue, Exception> {
        let queue = self.queues.get_mut(name).ok_or_else(|| Exception::no_queue(name))?;
        if queue.exclusive.is_some_and(|owner| owner != client) {
            let text = format!(
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'"
            );
            return Err(Exception::new(405, text));
        }
        Ok(queue)
    }

    pub(super) fn client_name(&self, client: u64) -> String {
        self.clients.get(&client).map(|client| client.name.clone()).unwrap_or_default()
    }

    /// Keeps a control message for the report.
    pub(super) fn note_letter(&mut self, client: u64, message: &Message) {
        if message.is_control() {
            let (now, name) = (self.clock.now(), self.client_name(client));
            self.letters.push(Letter::new(now, name, &message.routing_key, &message.body));
        }
    }
}

/// Bytes of a body in one frame until another size is negotiated.
pub(super) const FRAME_BODY_MAX: usize = 65_536;
