use amq_protocol::protocol::{AMQPClass, basic};

use super::{Session, publishing::Publishing};
use crate::amqp::{
    broker::{Broker, Unacked},
    exception::Exception,
    queue::Consumer,
};

/// Consuming, getting, settling.
impl Session {
    pub(super) fn basic(
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
                self.publishing.insert(channel, Publishing::begun(method));
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
            *broker.refused_consumers.entry(name.to_owned()).or_default() += 1;
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
            let unacked = Unacked { queue: name.to_owned(), consumer: String::new(), stored: stored.clone() };
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
}
