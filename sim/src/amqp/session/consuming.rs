use amq_protocol::protocol::{AMQPClass, basic};

use super::{Session, publishing::Publishing};
use crate::amqp::{
    broker::{Broker, Unacked},
    consumer::Consumer,
    delivery::Settlement,
    exception::Exception,
    settings::Kind,
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
                    let which = if qos.global { &mut channel.prefetch_total } else { &mut channel.prefetch };
                    *which = qos.prefetch_count;
                }
                M::QosOk(basic::QosOk {})
            }
            M::Publish(method) => {
                self.publishing.insert(channel, Publishing::begun(method));
                if broker.memory_alarm {
                    self.blocked = true;
                    broker.block(self.client);
                }
                return Ok(None);
            }
            M::Consume(consume) => return self.consume(broker, channel, &consume).map(|()| None),
            M::Cancel(cancel) => {
                broker.cancel_consumer(self.client, channel, cancel.consumer_tag.as_str());
                M::CancelOk(basic::CancelOk { consumer_tag: cancel.consumer_tag })
            }
            M::Get(get) => return self.get(broker, channel, &get),
            M::Ack(ack) => {
                return self.settle(broker, channel, ack.delivery_tag, ack.multiple, Settlement::Ack);
            }
            M::Nack(nack) => {
                let settlement = returned(nack.requeue);
                return self.settle(broker, channel, nack.delivery_tag, nack.multiple, settlement);
            }
            M::Reject(reject) => {
                return self.settle(broker, channel, reject.delivery_tag, false, returned(reject.requeue));
            }
            M::Recover(recover) => {
                if !recover.requeue {
                    return Err(Exception::new(540, "NOT_IMPLEMENTED - requeue=false"));
                }
                // The answer first: a client forgets what it was delivered before.
                let ok = M::RecoverOk(basic::RecoverOk {});
                self.answer(broker, channel, AMQPClass::Basic(ok));
                broker.settle(self.client, channel, 0, true, Settlement::Requeue);
                return Ok(None);
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
        settlement: Settlement,
    ) -> Result<Option<AMQPClass>, Exception> {
        if broker.settle(self.client, channel, tag, multiple, settlement) {
            Ok(None)
        } else {
            Err(Exception::new(406, format!("PRECONDITION_FAILED - unknown delivery tag {tag}")))
        }
    }

    fn consume(&self, broker: &mut Broker, channel: u16, consume: &basic::Consume) -> Result<(), Exception> {
        let (prefetch, limited) = broker
            .channel(self.client, channel)
            .map_or((0, false), |channel| (channel.prefetch, channel.prefetch_total > 0));
        let name = consume.queue.as_str();
        self.may_consume(broker, name, consume, prefetch, limited)?;
        let tag = self.consumer_tag(broker, channel, consume)?;
        let now = broker.clock.now();
        let queue = broker.queue_for(self.client, name)?;
        queue.last_used = now;
        queue.consumers.push(Consumer {
            connection: self.client,
            channel,
            tag: tag.clone(),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive && queue.kind() == Kind::Classic,
            prefetch,
            in_flight: 0,
            next: queue.offset(&consume.arguments),
        });
        let ok = basic::ConsumeOk { consumer_tag: tag.as_str().into() };
        self.answer(broker, channel, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
        broker.deliver(name);
        Ok(())
    }

    fn may_consume(
        &self,
        broker: &mut Broker,
        name: &str,
        consume: &basic::Consume,
        prefetch: u16,
        limited: bool,
    ) -> Result<(), Exception> {
        let are_streams_back = broker.clock.now() >= broker.streams_back_at;
        let queue = broker.queue_for(self.client, name)?;
        if queue.is_stream() && !are_streams_back {
            return Err(Exception::away(name));
        }
        // Quorum queues and streams do not know exclusive consumers.
        let taken = queue.consumers.iter().any(|other| other.exclusive);
        let is_shared = !queue.consumers.is_empty() || queue.settings.single_active;
        if queue.kind() == Kind::Classic && (taken || (consume.exclusive && is_shared)) {
            broker.note_refusal(self.client, name);
            return Err(Exception::new(
                403,
                format!("ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use"),
            ));
        }
        if queue.kind() != Kind::Classic && limited {
            let text = format!("NOT_IMPLEMENTED - queue '{name}' in vhost '/' does not support global qos");
            return Err(Exception::new(540, text));
        }
        if queue.is_stream() && prefetch == 0 {
            return Err(Exception::new(
                406,
                "PRECONDITION_FAILED - consumer prefetch count is not set for stream",
            ));
        }
        Ok(())
    }

    fn consumer_tag(
        &self,
        broker: &mut Broker,
        channel: u16,
        consume: &basic::Consume,
    ) -> Result<String, Exception> {
        broker.generated_names += 1;
        let tag = consume.consumer_tag.to_string();
        if tag.is_empty() {
            return Ok(format!("amq.ctag-{}", broker.generated_names));
        }
        let mut consumers = broker.queues.values().flat_map(|queue| &queue.consumers);
        if consumers.any(|consumer| consumer.is(self.client, channel, &tag)) {
            return Err(Exception::new(530, format!("NOT_ALLOWED - attempt to reuse consumer tag '{tag}'")));
        }
        Ok(tag)
    }

    fn get(
        &self,
        broker: &mut Broker,
        channel: u16,
        get: &basic::Get,
    ) -> Result<Option<AMQPClass>, Exception> {
        let (name, now) = (get.queue.as_str(), broker.clock.now());
        broker.drop_expired(name, now);
        let queue = broker.queue_for(self.client, name)?;
        if queue.is_stream() {
            let text = format!("NOT_IMPLEMENTED - basic.get not supported by stream queues queue '{name}'");
            return Err(Exception::new(540, text));
        }
        queue.last_used = now;
        let (incarnation, got) = (queue.incarnation, queue.get());
        let Some(stored) = got else {
            return Ok(Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))));
        };
        let left = u32::try_from(queue.ready()).unwrap_or(u32::MAX);
        let Some(state) = broker.channel(self.client, channel) else { return Ok(None) };
        state.next_tag += 1;
        let tag = state.next_tag;
        if !get.no_ack {
            let (queue, consumer) = (name.to_owned(), String::new());
            state.unacked.insert(tag, Unacked { queue, incarnation, consumer, stored: stored.clone() });
        }
        let ok = basic::GetOk {
            delivery_tag: tag,
            redelivered: stored.redelivered,
            exchange: stored.message.exchange.as_str().into(),
            routing_key: stored.message.routing_key.as_str().into(),
            message_count: left,
        };
        let method = AMQPClass::Basic(basic::AMQPMethod::GetOk(ok));
        broker.send_content(self.client, channel, method, name, &stored);
        Ok(None)
    }
}

fn returned(requeue: bool) -> Settlement {
    if requeue { Settlement::Requeue } else { Settlement::Reject }
}
