use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic},
};

use super::Session;
use crate::amqp::{broker::Broker, exception::Exception, message::Message};

/// A message of which not every frame has arrived.
pub(super) struct Publishing {
    method: basic::Publish,
    header: Option<AMQPContentHeader>,
    body: Vec<u8>,
}

impl Publishing {
    pub(super) fn begun(method: basic::Publish) -> Self {
        Self { method, header: None, body: Vec::new() }
    }
}

impl Session {
    pub(super) fn part_of_message(&mut self, broker: &mut Broker, frame: AMQPFrame) {
        let channel = match &frame {
            AMQPFrame::Header(channel, _) | AMQPFrame::Body(channel, _) => *channel,
            _ => return,
        };
        if broker.channel(self.client, channel).is_some_and(|channel| channel.closing) {
            // The rest of a message for a channel that was closed in the middle of it.
            self.publishing.remove(&channel);
            return;
        }
        let Some(publishing) = self.publishing.get_mut(&channel) else {
            self.refuse(broker, channel, &Exception::no_method());
            return;
        };
        match frame {
            AMQPFrame::Header(_, header) => publishing.header = Some(header),
            AMQPFrame::Body(_, part) => publishing.body.extend_from_slice(&part),
            _ => {}
        }
        self.publish_if_whole(broker, channel);
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
        if method.immediate {
            self.refuse(broker, channel, &Exception::new(540, "NOT_IMPLEMENTED - immediate=true"));
            return;
        }
        let returned = method.mandatory.then(|| (header.clone(), body.clone()));
        let message = Message {
            exchange: method.exchange.to_string(),
            routing_key: method.routing_key.to_string(),
            properties: header.properties,
            body,
        };
        broker.note_letter(self.client, &message);
        broker.note_publish(self.client, channel, &message);
        match broker.publish(message) {
            Err(exception) => self.refuse(broker, channel, &exception),
            Ok(routed) => {
                if let Some((header, body)) = returned.filter(|_| !routed.wanted) {
                    self.give_back(broker, channel, &method, header, &body);
                }
                self.confirm(broker, channel, routed.refused);
            }
        }
    }

    fn give_back(
        &self,
        broker: &Broker,
        channel: u16,
        method: &basic::Publish,
        header: AMQPContentHeader,
        body: &[u8],
    ) {
        let back = basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
            exchange: method.exchange.clone(),
            routing_key: method.routing_key.clone(),
        };
        self.answer(broker, channel, AMQPClass::Basic(basic::AMQPMethod::Return(back)));
        broker.send(self.client, AMQPFrame::Header(channel, header));
        let most = broker.clients.get(&self.client).map_or(1, |client| client.body_bytes_max);
        for part in body.chunks(most.max(1)) {
            broker.send(self.client, AMQPFrame::Body(channel, part.to_vec()));
        }
    }

    fn confirm(&self, broker: &mut Broker, channel: u16, refused: bool) {
        let withheld = broker.withholds_confirms;
        let Some(state) = broker.channel(self.client, channel).filter(|channel| channel.confirms) else {
            return;
        };
        state.published += 1;
        let (delivery_tag, multiple) = (state.published, false);
        let verdict = if refused {
            basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple, requeue: false })
        } else {
            basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple })
        };
        if !withheld {
            self.answer(broker, channel, AMQPClass::Basic(verdict));
        }
    }
}
