use amq_protocol::protocol::{AMQPClass, exchange, queue};

use super::Session;
use crate::amqp::{
    broker::{Broker, now},
    exception::Exception,
    queue::Queue,
    routing::{Binding, Exchange},
};

/// Declaring, binding, deleting.
impl Session {
    pub(super) fn queue(
        &mut self,
        broker: &mut Broker,
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
                let since = Some(now());
                broker.bind(Binding { exchange, queue, routing_key, arguments, since });
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

pub(super) fn exchange(
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
