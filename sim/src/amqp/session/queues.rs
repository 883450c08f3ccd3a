use amq_protocol::protocol::{AMQPClass, queue};

use super::Session;
use crate::amqp::{
    broker::Broker,
    exception::Exception,
    queue::Queue,
    routing::{Binding, Destination},
    settings::{Kind, Settings},
};

/// Declaring, binding, purging and deleting queues.
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
                self.bind_queue(broker, bind)?;
                M::BindOk(queue::BindOk {})
            }
            M::Unbind(unbind) => {
                broker.unbind(&Binding {
                    exchange: unbind.exchange.to_string(),
                    destination: Destination::Queue(unbind.queue.to_string()),
                    routing_key: unbind.routing_key.to_string(),
                    arguments: unbind.arguments,
                    since: None,
                });
                M::UnbindOk(queue::UnbindOk {})
            }
            M::Purge(purge) => {
                let queue = broker.queue_for(self.client, purge.queue.as_str())?;
                M::PurgeOk(queue::PurgeOk { message_count: count(queue.purge()) })
            }
            M::Delete(delete) => {
                M::DeleteOk(queue::DeleteOk { message_count: count(self.delete_queue(broker, &delete)?) })
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
        } else if !broker.queues.contains_key(&name) && !declare.passive && name.starts_with("amq.") {
            return Err(Exception::reserved("queue", &name));
        }
        if declare.passive || broker.queues.contains_key(&name) {
            let queue = broker.queue_for(self.client, &name)?;
            if !declare.passive {
                same(&name, queue, &declare)?;
            }
        } else {
            let queue = self.declared(&name, declare)?;
            broker.create_queue(&name, queue);
        }
        let now = broker.clock.now();
        let queue = broker.queue_for(self.client, &name)?;
        queue.last_used = now;
        let ok = queue::DeclareOk {
            queue: name.as_str().into(),
            // A real broker counts a stream's messages every few seconds: nobody may rely on what it says.
            message_count: if queue.is_stream() {
                0
            } else {
                u32::try_from(queue.ready()).unwrap_or(u32::MAX)
            },
            consumer_count: u32::try_from(queue.consumers.len()).unwrap_or(u32::MAX),
        };
        if queue.deadline().is_some() {
            broker.deadline_moved.notify_one();
        }
        Ok(ok)
    }

    fn declared(&self, name: &str, declare: queue::Declare) -> Result<Queue, Exception> {
        let settings = Settings::of(&declare.arguments, name)?;
        if settings.kind != Kind::Classic {
            let wrong = [
                (!declare.durable, "non-durable"),
                (declare.exclusive, "exclusive"),
                (declare.auto_delete, "auto-delete"),
            ];
            if let Some((_, property)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
                let text = format!(
                    "PRECONDITION_FAILED - invalid property '{property}' for queue '{name}' in vhost '/'"
                );
                return Err(Exception::new(406, text));
            }
        }
        Ok(Queue {
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            exclusive: declare.exclusive.then_some(self.client),
            arguments: declare.arguments,
            settings,
            ..Queue::default()
        })
    }

    fn bind_queue(&self, broker: &mut Broker, bind: queue::Bind) -> Result<(), Exception> {
        let exchange = bind.exchange.to_string();
        if exchange.is_empty() {
            return Err(Exception::default_exchange());
        }
        broker.queue_for(self.client, bind.queue.as_str())?;
        if !broker.exchanges.contains_key(&exchange) {
            return Err(Exception::no_exchange(&exchange));
        }
        let binding = Binding {
            exchange,
            destination: Destination::Queue(bind.queue.to_string()),
            routing_key: bind.routing_key.to_string(),
            arguments: bind.arguments,
            since: Some(broker.clock.now()),
        };
        binding.check()?;
        broker.bind(binding);
        Ok(())
    }

    fn delete_queue(&self, broker: &mut Broker, delete: &queue::Delete) -> Result<usize, Exception> {
        let name = delete.queue.as_str();
        if !broker.queues.contains_key(name) {
            return Ok(0);
        }
        let queue = broker.queue_for(self.client, name)?;
        let refused = [
            (delete.if_unused && !queue.consumers.is_empty(), "in use"),
            (delete.if_empty && queue.ready() > 0, "not empty"),
        ];
        if let Some((_, why)) = refused.into_iter().find(|(refused, _)| *refused) {
            return Err(Exception::new(
                406,
                format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' {why}"),
            ));
        }
        Ok(broker.delete_queue(name))
    }
}

/// Whether a queue is the one that is declared.
fn same(name: &str, queue: &Queue, declare: &queue::Declare) -> Result<(), Exception> {
    let settings = Settings::of(&declare.arguments, name)?;
    let difference = if queue.durable != declare.durable {
        Some("durable")
    } else if queue.auto_delete != declare.auto_delete {
        Some("auto_delete")
    } else {
        queue.settings.difference(&settings)
    };
    difference.map_or(Ok(()), |argument| Err(Exception::inequivalent(argument, "queue", name)))
}
