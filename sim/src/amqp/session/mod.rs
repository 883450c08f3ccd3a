//! A client's conversation with the broker: its frames become calls, answers and exceptions.

mod consuming;
mod exchanges;
mod publishing;
mod queues;

use std::collections::BTreeMap;

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, channel, confirm, connection},
    types::{AMQPValue, FieldTable},
};

use self::publishing::Publishing;
use super::{
    broker::{Broker, Channel},
    exception::Exception,
    message::text,
};

/// Seconds between heartbeats that the broker proposes.
const HEARTBEAT: u16 = 10;

/// Bytes of a frame that are not its payload.
const FRAME_OVERHEAD: u32 = 8;

/// One client's side of the conversation.
pub(super) struct Session {
    client: u64,
    publishing: BTreeMap<u16, Publishing>,
    /// The client, or an exception, closed the connection: nothing more is read.
    pub(super) closed: bool,
    /// The broker closed the connection by an exception: only the client's answer is waited for.
    refused: bool,
    /// It has published under the memory alarm: nothing more is read of it until that is over.
    pub(super) blocked: bool,
    /// Negotiated heartbeat in seconds; 0 is none.
    pub(super) heartbeat: u16,
}

impl Session {
    pub(super) fn new(client: u64) -> Self {
        Self {
            client,
            publishing: BTreeMap::new(),
            closed: false,
            refused: false,
            blocked: false,
            heartbeat: 0,
        }
    }

    pub(super) fn client(&self) -> u64 {
        self.client
    }

    pub(super) fn take_in(&mut self, broker: &mut Broker, frame: AMQPFrame) {
        broker.note_frame(self.client, &frame);
        match frame {
            AMQPFrame::ProtocolHeader(_) => self.start(broker),
            AMQPFrame::Heartbeat | AMQPFrame::InvalidHeartbeat(_) => {}
            AMQPFrame::Method(0, AMQPClass::Connection(method)) => self.connection(broker, method),
            _ if self.refused => {}
            AMQPFrame::Method(channel, method) => self.method(broker, channel, method),
            part @ (AMQPFrame::Header(..) | AMQPFrame::Body(..)) => self.part_of_message(broker, part),
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
                if let Some(client) = broker.clients.get_mut(&self.client) {
                    let properties = &start.client_properties;
                    client.name = text(properties, "connection_name").unwrap_or_default();
                    if let Some(AMQPValue::FieldTable(table)) = properties.inner().get("capabilities") {
                        client.capabilities.clone_from(table);
                    }
                }
                let tune = connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: HEARTBEAT };
                connection::AMQPMethod::Tune(tune)
            }
            connection::AMQPMethod::TuneOk(tune) => {
                self.heartbeat = tune.heartbeat;
                if let Some(client) = broker.clients.get_mut(&self.client)
                    && tune.frame_max > FRAME_OVERHEAD
                {
                    client.body_bytes_max = (tune.frame_max - FRAME_OVERHEAD) as usize;
                }
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
        let is_closing = broker.channel(self.client, channel).map(|channel| channel.closing);
        let result = match (method, is_closing) {
            (AMQPClass::Channel(method), _) => self.channel(broker, channel, &method, is_closing),
            (_, None) => Err(Exception::not_open()),
            (_, Some(true)) => Ok(None),
            (method, Some(false)) => self.call(broker, channel, method),
        };
        match result {
            Ok(Some(answer)) => self.answer(broker, channel, answer),
            Ok(None) => {}
            Err(exception) => self.refuse(broker, channel, &exception),
        }
    }

    /// What is about the channel itself; `is_closing` is none where there is none of that number.
    fn channel(
        &mut self,
        broker: &mut Broker,
        channel: u16,
        method: &channel::AMQPMethod,
        is_closing: Option<bool>,
    ) -> Result<Option<AMQPClass>, Exception> {
        use channel::AMQPMethod as M;
        let answer = match (method, is_closing) {
            (M::Open(_), None) => {
                self.publishing.remove(&channel);
                if let Some(client) = broker.clients.get_mut(&self.client) {
                    client.channels.insert(channel, Channel::default());
                }
                M::OpenOk(channel::OpenOk {})
            }
            (M::Open(_), Some(_)) => return Err(Exception::opened_twice()),
            (_, None) => return Err(Exception::not_open()),
            // Both have closed it: the client answers this side's close, too.
            (M::Close(_), Some(true)) => M::CloseOk(channel::CloseOk {}),
            (M::Close(_), Some(false)) => {
                self.publishing.remove(&channel);
                broker.end_channel(self.client, channel);
                M::CloseOk(channel::CloseOk {})
            }
            (M::CloseOk(_), Some(true)) => {
                broker.end_channel(self.client, channel);
                return Ok(None);
            }
            (_, Some(true)) => return Ok(None),
            (M::Flow(flow), Some(false)) => flow_of(flow)?,
            (_, Some(false)) => return Err(Exception::new(503, "COMMAND_INVALID - unimplemented method")),
        };
        Ok(Some(AMQPClass::Channel(answer)))
    }

    fn call(
        &mut self,
        broker: &mut Broker,
        channel: u16,
        method: AMQPClass,
    ) -> Result<Option<AMQPClass>, Exception> {
        match method {
            AMQPClass::Basic(method) => self.basic(broker, channel, method),
            AMQPClass::Queue(method) => self.queue(broker, method),
            AMQPClass::Exchange(method) => exchanges::exchange(broker, method),
            AMQPClass::Confirm(confirm::AMQPMethod::Select(_)) => {
                if let Some(channel) = broker.channel(self.client, channel) {
                    channel.confirms = true;
                }
                Ok(Some(AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))))
            }
            _ => Err(Exception::new(540, "NOT_IMPLEMENTED")),
        }
    }

    /// A soft exception closes the channel, a hard one the connection.
    fn refuse(&mut self, broker: &mut Broker, channel: u16, exception: &Exception) {
        if exception.is_hard() {
            let (reply_code, reply_text) = (exception.code, exception.text.as_str().into());
            let close = connection::Close { reply_code, reply_text, class_id: 0, method_id: 0 };
            broker.end_channels(self.client);
            self.refused = true;
            self.answer(broker, 0, AMQPClass::Connection(connection::AMQPMethod::Close(close)));
            return;
        }
        self.publishing.remove(&channel);
        broker.close_channel(self.client, channel, exception);
    }
}

/// A client may ask for deliveries to flow, which they do; it may not stop them.
fn flow_of(flow: &channel::Flow) -> Result<channel::AMQPMethod, Exception> {
    if !flow.active {
        return Err(Exception::new(540, "NOT_IMPLEMENTED - active=false"));
    }
    Ok(channel::AMQPMethod::FlowOk(channel::FlowOk { active: true }))
}

fn capabilities() -> FieldTable {
    let mut capabilities = FieldTable::default();
    for name in [
        "publisher_confirms",
        "consumer_cancel_notify",
        "basic.nack",
        "exchange_exchange_bindings",
        "connection.blocked",
    ] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("product".into(), AMQPValue::LongString("RabbitMQ".into()));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}
