use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue},
    types::FieldTable,
};

use super::{
    broker::{Broker, Channel},
    queue::{Consumer, Message, Queue, text},
    routing::{Binding, Exchange},
};

/// Seconds between heartbeats that the broker proposes.
const HEARTBEAT: u16 = 10;

/// What the broker says when it does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    code: u16,
    text: String,
}

impl Exception {
    fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn no_exchange(name: &str) -> Self {
        Self::new(404, format!("NOT_FOUND - no exchange '{name}' in vhost '/'"))
    }

    fn no_queue(name: &str) -> Self {
        Self::new(404, format!("NOT_FOUND - no queue '{name}' in vhost '/'"))
    }

    /// Whether the whole connection ends by it, rather than the channel.
    fn is_hard(&self) -> bool {
        self.code >= 500
    }
}

/// One client's side of the conversation.
pub(super) struct Session {
    client: u64,
    publishing: std::collections::BTreeMap<u16, Publishing>,
    /// The client, or an exception, closed the connection: nothing more is read.
    pub(super) closed: bool,
    /// Negotiated heartbeat in seconds; 0 is none.
    pub(super) heartbeat: u16,
}

struct Publishing {
    method: basic::Publish,
    header: Option<AMQPContentHeader>,
    body: Vec<u8>,
}

impl Session {
    pub(super) fn new(client: u64) -> Self {
        Self { client, publishing: Default::default(), closed: false, heartbeat: 0 }
    }

    pub(super) fn client(&self) -> u64 {
        self.client
    }

    pub(super) fn take_in(&mut self, broker: &mut Broker, frame: AMQPFrame) {
        match frame {
            AMQPFrame::ProtocolHeader(_) => self.start(broker),
            AMQPFrame::Heartbeat | AMQPFrame::InvalidHeartbeat(_) => {}
            AMQPFrame::Method(0, AMQPClass::Connection(method)) => self.connection(broker, method),
            AMQPFrame::Method(channel, method) => self.method(broker, channel, method),
            AMQPFrame::Header(channel, header) => {
                if let Some(publishing) = self.publishing.get_mut(&channel) {
                    publishing.header = Some(header);
                }
                self.publish_if_whole(broker, channel);
            }
            AMQPFrame::Body(channel, part) => {
                if let Some(publishing) = self.publishing.get_mut(&channel) {
                    publishing.body.extend_from_slice(&part);
                }
                self.publish_if_whole(broker, channel);
            }
        }
    }

    fn answer(&self, broker: &Broker, channel: u16, method: AMQPClass) {
        broker.send(self.client, AMQPFrame::Method(channel, method));
    }

    fn start(&self, broker: &Broker) {
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: capabilities(),
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        };
        self.answer(broker, 0, AMQPClass::Connection(connection::AMQPMethod::Start(start)));
    }

    fn connection(&mut self, broker: &mut Broker, method: connection::AMQPMethod) {
        let answer = match method {
            connection::AMQPMethod::StartOk(start) => {
                if let Some(client) = broker.clients.get_mut(&self.client)
                    && let Some(name) = text(&start.client_properties, "connection_name")
                {
                    client.name = name;
                }
                let tune = connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: HEARTBEAT };
                connection::AMQPMethod::Tune(tune)
            }
            connection::AMQPMethod::TuneOk(tune) => {
                self.heartbeat = tune.heartbeat;
                return;
            }
            connection::AMQPMethod::Open(_) => connection::AMQPMethod::OpenOk(connection::OpenOk {}),
            connection::AMQPMethod::Close(_) => {
                // Before the answer: whoever hears it finds the queues free.
                broker.end_channels(self.client);
                self.closed = true;
                connection::AMQPMethod::CloseOk(connection::CloseOk {})
            }
            connection::AMQPMethod::CloseOk(_) => {
                self.closed = true;
                return;
            }
            _ => return,
        };
        self.answer(broker, 0, AMQPClass::Connection(answer));
    }

    fn method(&mut self, broker: &mut Broker, channel: u16, method: AMQPClass) {
        match &method {
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                if let Some(client) = broker.clients.get_mut(&self.client) {
                    client.channels.insert(channel, Channel::default());
                }
                self.answer(
                    broker,
                    channel,
                    AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})),
                );
                return;
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(_)) => {
                self.publishing.remove(&channel);
                broker.end_channel(self.client, channel);
                self.answer(
                    broker,
                    channel,
                    AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
                );
                return;
            }
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => {
                broker.end_channel(self.client, channel);
                return;
            }
            _ => {}
        }
        if broker.channel(self.client, channel).is_none_or(|channel| channel.closing) {
            return;
        }
        let result = match method {
            AMQPClass::Basic(method) => self.basic(broker, channel, method),
            AMQPClass::Queue(method) => self.queue(broker, channel, method),
            AMQPClass::Exchange(method) => exchange_method(broker, method),
            AMQPClass::Confirm(confirm::AMQPMethod::Select(_)) => {
                if let Some(channel) = broker.channel(self.client, channel) {
                    channel.confirms = true;
                }
                Ok(Some(AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))))
            }
            _ => Err(Exception::new(540, "NOT_IMPLEMENTED")),
        };
        match result {
            Ok(Some(answer)) => self.answer(broker, channel, answer),
            Ok(None) => {}
            Err(exception) => self.refuse(broker, channel, &exception),
        }
    }

    /// A soft exception closes the channel, a hard one the connection.
    fn refuse(&mut self, broker: &mut Broker, channel: u16, exception: &Exception) {
        let text = exception.text.as_str().into();
        if exception.is_hard() {
            let close =
                connection::Close { reply_code: exception.code, reply_text: text, class_id: 0, method_id: 0 };
            self.answer(broker, 0, AMQPClass::Connection(connection::AMQPMethod::Close(close)));
            return;
        }
        // Its consumers end at once; what it had not acked returns before the client has answered.
        let confirmed = Channel { closing: true, ..Channel::default() };
        broker.end_channel(self.client, channel);
        if let Some(client) = broker.clients.get_mut(&self.client) {
            client.channels.insert(channel, confirmed);
        }
        self.publishing.remove(&channel);
        let close =
            channel::Close { reply_code: exception.code, reply_text: text, class_id: 0, method_id: 0 };
        self.answer(broker, channel, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
    }

    fn basic(
        &mut self,
        broker: &mut Broker,
        channel: u16,
        method: basic::AMQPMethod,
    ) -> Result<Option<AMQPClass>, Exception> {
        use basic::AMQPMethod as M;
        let answer = match method {
            M::Qos(qos) => {
                if let Some(channel) = broker.channel(self.client, channel) {
                    channel.prefetch = qos.prefetch_count;
                }
                M::QosOk(basic::QosOk {})
            }
            M::Publish(method) => {
                self.publishing.insert(channel, Publishing { method, header: None, body: Vec::new() });
                return Ok(None);
            }
            M::Consume(consume) => return self.consume(broker, channel, &consume).map(|()| None),
            M::Cancel(cancel) => {
                for queue in broker.queues.values_mut() {
                    let tag = cancel.consumer_tag.as_str();
                    queue.consumers.retain(|consumer| !consumer.is(self.client, channel, tag));
                }
                M::CancelOk(basic::CancelOk { consumer_tag: cancel.consumer_tag })
            }
            M::Get(get) => return self.get(broker, channel, &get),
            M::Ack(ack) => return self.settle(broker, channel, ack.delivery_tag, ack.multiple, false),
            M::Nack(nack) => {
                return self.settle(broker, channel, nack.delivery_tag, nack.multiple, nack.requeue);
            }
            M::Reject(reject) => {
                return self.settle(broker, channel, reject.delivery_tag, false, reject.requeue);
            }
            // The client's answer to a cancel of ours.
            M::CancelOk(_) => return Ok(None),
            _ => return Err(Exception::new(540, "NOT_IMPLEMENTED")),
        };
        Ok(Some(AMQPClass::Basic(answer)))
    }

    fn settle(
        &self,
        broker: &mut Broker,
        channel: u16,
        tag: u64,
        multiple: bool,
        requeue: bool,
    ) -> Result<Option<AMQPClass>, Exception> {
        if broker.settle(self.client, channel, tag, multiple, requeue) {
            Ok(None)
        } else {
            Err(Exception::new(406, format!("PRECONDITION_FAILED - unknown delivery tag {tag}")))
        }
    }

    fn consume(&self, broker: &mut Broker, channel: u16, consume: &basic::Consume) -> Result<(), Exception> {
        let prefetch = broker.channel(self.client, channel).map_or(0, |channel| channel.prefetch);
        broker.generated_names += 1;
        let generated = format!("amq.ctag-{}", broker.generated_names);
        let name = consume.queue.as_str();
        let queue = broker.queues.get_mut(name).ok_or_else(|| Exception::no_queue(name))?;
        // Quorum queues and streams do not know exclusive consumers.
        let taken = queue.consumers.iter().any(|other| other.exclusive);
        if queue.kind() == "classic" && (taken || (consume.exclusive && !queue.consumers.is_empty())) {
            return Err(Exception::new(
                403,
                format!("ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use"),
            ));
        }
        if queue.is_stream() && prefetch == 0 {
            return Err(Exception::new(
                406,
                "PRECONDITION_FAILED - consumer prefetch count is not set for stream",
            ));
        }
        let tag = if consume.consumer_tag.as_str().is_empty() {
            generated
        } else {
            consume.consumer_tag.to_string()
        };
        queue.consumers.push(Consumer {
            connection: self.client,
            channel,
            tag: tag.clone(),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive && queue.kind() == "classic",
            prefetch,
            in_flight: 0,
            next: queue.offset(&consume.arguments),
        });
        let ok = basic::ConsumeOk { consumer_tag: tag.as_str().into() };
        self.answer(broker, channel, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
        broker.deliver(name);
        Ok(())
    }

    fn get(
        &self,
        broker: &mut Broker,
        channel: u16,
        get: &basic::Get,
    ) -> Result<Option<AMQPClass>, Exception> {
        let name = get.queue.as_str();
        let queue = broker.queues.get_mut(name).ok_or_else(|| Exception::no_queue(name))?;
        let Some(stored) = queue.get() else {
            return Ok(Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))));
        };
        let left = u32::try_from(queue.ready()).unwrap_or(u32::MAX);
        let Some(state) = broker.channel(self.client, channel) else { return Ok(None) };
        state.next_tag += 1;
        let tag = state.next_tag;
        if !get.no_ack {
            let unacked = super::broker::Unacked {
                queue: name.to_owned(),
                consumer: String::new(),
                stored: stored.clone(),
            };
            state.unacked.insert(tag, unacked);
        }
        let ok = basic::GetOk {
            delivery_tag: tag,
            redelivered: stored.redelivered,
            exchange: stored.message.exchange.as_str().into(),
            routing_key: stored.message.routing_key.as_str().into(),
            message_count: left,
        };
        let method = AMQPClass::Basic(basic::AMQPMethod::GetOk(ok));
        broker.send_content(self.client, channel, method, &stored, false);
        Ok(None)
    }

    fn queue(
        &mut self,
        broker: &mut Broker,
        _channel: u16,
        method: queue::AMQPMethod,
    ) -> Result<Option<AMQPClass>, Exception> {
        use queue::AMQPMethod as M;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let answer = match method {
            M::Declare(declare) => M::DeclareOk(self.declare_queue(broker, declare)?),
            M::Bind(bind) => {
                let (queue, exchange) = (bind.queue.to_string(), bind.exchange.to_string());
                check_bind(broker, &queue, &exchange)?;
                let (routing_key, arguments) = (bind.routing_key.to_string(), bind.arguments);
                broker.bind(Binding { exchange, queue, routing_key, arguments });
                M::BindOk(queue::BindOk {})
            }
            M::Unbind(unbind) => {
                let (queue, exchange) = (unbind.queue.as_str(), unbind.exchange.as_str());
                broker.unbind(queue, exchange, unbind.routing_key.as_str(), &unbind.arguments);
                M::UnbindOk(queue::UnbindOk {})
            }
            M::Purge(purge) => {
                let name = purge.queue.as_str();
                let queue = broker.queues.get_mut(name).ok_or_else(|| Exception::no_queue(name))?;
                M::PurgeOk(queue::PurgeOk { message_count: count(queue.purge()) })
            }
            M::Delete(delete) => {
                let gone = broker.delete_queue(delete.queue.as_str());
                M::DeleteOk(queue::DeleteOk { message_count: count(gone) })
            }
            _ => return Err(Exception::new(540, "NOT_IMPLEMENTED")),
        };
        Ok(Some(AMQPClass::Queue(answer)))
    }

    fn declare_queue(
        &self,
        broker: &mut Broker,
        declare: queue::Declare,
    ) -> Result<queue::DeclareOk, Exception> {
        let mut name = declare.queue.to_string();
        if name.is_empty() {
            broker.generated_names += 1;
            name = format!("amq.gen-{}", broker.generated_names);
        }
        match broker.queues.get(&name) {
            Some(queue) if queue.exclusive.is_some_and(|owner| owner != self.client) => {
                return Err(Exception::new(
                    405,
                    format!("RESOURCE_LOCKED - cannot obtain exclusive access to '{name}'"),
                ));
            }
            Some(_) if declare.passive => {}
            Some(queue) => {
                let same = (queue.durable, queue.auto_delete, &queue.arguments)
                    == (declare.durable, declare.auto_delete, &declare.arguments);
                if !same {
                    let text =
                        format!("PRECONDITION_FAILED - inequivalent arg for queue '{name}' in vhost '/'");
                    return Err(Exception::new(406, text));
                }
            }
            None if declare.passive => return Err(Exception::no_queue(&name)),
            None => {
                let queue = Queue {
                    durable: declare.durable,
                    auto_delete: declare.auto_delete,
                    exclusive: declare.exclusive.then_some(self.client),
                    arguments: declare.arguments,
                    ..Queue::default()
                };
                broker.queues.insert(name.clone(), queue);
            }
        }
        let queue = broker.queues.get(&name).ok_or_else(|| Exception::no_queue(&name))?;
        Ok(queue::DeclareOk {
            queue: name.as_str().into(),
            // A real broker counts a stream's messages every few seconds: nobody may rely on what it says.
            message_count: if queue.is_stream() {
                0
            } else {
                u32::try_from(queue.ready()).unwrap_or(u32::MAX)
            },
            consumer_count: u32::try_from(queue.consumers.len()).unwrap_or(u32::MAX),
        })
    }

    fn publish_if_whole(&mut self, broker: &mut Broker, channel: u16) {
        let whole = self.publishing.get(&channel).is_some_and(|publishing| {
            publishing.header.as_ref().is_some_and(|header| header.body_size <= publishing.body.len() as u64)
        });
        if !whole {
            return;
        }
        let Some(Publishing { method, header: Some(header), body }) = self.publishing.remove(&channel) else {
            return;
        };
        let returned = method.mandatory.then(|| (header.clone(), body.clone()));
        let message = Message {
            exchange: method.exchange.to_string(),
            routing_key: method.routing_key.to_string(),
            properties: header.properties,
            body,
        };
        match broker.route(message) {
            Err(exception) => self.refuse(broker, channel, &exception),
            Ok(routed) => {
                if let Some((header, body)) = returned.filter(|_| !routed) {
                    self.give_back(broker, channel, &method, header, body);
                }
                self.confirm(broker, channel);
            }
        }
    }

    fn give_back(
        &self,
        broker: &Broker,
        channel: u16,
        method: &basic::Publish,
        header: AMQPContentHeader,
        body: Vec<u8>,
    ) {
        let back = basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
            exchange: method.exchange.clone(),
            routing_key: method.routing_key.clone(),
        };
        self.answer(broker, channel, AMQPClass::Basic(basic::AMQPMethod::Return(back)));
        broker.send(self.client, AMQPFrame::Header(channel, header));
        if !body.is_empty() {
            broker.send(self.client, AMQPFrame::Body(channel, body));
        }
    }

    fn confirm(&self, broker: &mut Broker, channel: u16) {
        let withheld = broker.withholds_confirms;
        let Some(state) = broker.channel(self.client, channel).filter(|channel| channel.confirms) else {
            return;
        };
        state.published += 1;
        let ack = basic::Ack { delivery_tag: state.published, multiple: false };
        if !withheld {
            self.answer(broker, channel, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)));
        }
    }
}

fn check_bind(broker: &Broker, queue: &str, exchange: &str) -> Result<(), Exception> {
    if exchange.is_empty() {
        return Err(Exception::new(403, "ACCESS_REFUSED - operation not permitted on the default exchange"));
    }
    if !broker.queues.contains_key(queue) {
        return Err(Exception::no_queue(queue));
    }
    if !broker.exchanges.contains_key(exchange) {
        return Err(Exception::no_exchange(exchange));
    }
    Ok(())
}

fn capabilities() -> FieldTable {
    use amq_protocol::types::AMQPValue;
    let mut capabilities = FieldTable::default();
    for name in ["publisher_confirms", "consumer_cancel_notify", "basic.nack", "exchange_exchange_bindings"] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("product".into(), AMQPValue::LongString("RabbitMQ".into()));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

fn exchange_method(
    broker: &mut Broker,
    method: exchange::AMQPMethod,
) -> Result<Option<AMQPClass>, Exception> {
    use exchange::AMQPMethod as M;
    let answer = match method {
        M::Declare(declare) => {
            let name = declare.exchange.to_string();
            match broker.exchanges.get(&name) {
                None if declare.passive => return Err(Exception::no_exchange(&name)),
                Some(known) if !declare.passive && known.kind != declare.kind.as_str() => {
                    let text = format!("PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}'");
                    return Err(Exception::new(406, text));
                }
                Some(_) => {}
                None => {
                    let (kind, durable) = (declare.kind.to_string(), declare.durable);
                    broker
                        .exchanges
                        .insert(name, Exchange { kind, durable, auto_delete: declare.auto_delete });
                }
            }
            M::DeclareOk(exchange::DeclareOk {})
        }
        M::Delete(delete) => {
            broker.exchanges.remove(delete.exchange.as_str());
            broker.bindings.retain(|binding| binding.exchange != delete.exchange.as_str());
            M::DeleteOk(exchange::DeleteOk {})
        }
        _ => return Err(Exception::new(540, "NOT_IMPLEMENTED - exchange to exchange bindings")),
    };
    Ok(Some(AMQPClass::Exchange(answer)))
}
