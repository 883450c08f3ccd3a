use amq_protocol::protocol::{AMQPClass, exchange};

use crate::amqp::{
    broker::Broker,
    exception::Exception,
    routing::{Binding, Destination, Exchange},
};

/// Declaring, binding and deleting exchanges.
pub(super) fn exchange(
    broker: &mut Broker,
    method: exchange::AMQPMethod,
) -> Result<Option<AMQPClass>, Exception> {
    use exchange::AMQPMethod as M;
    let answer = match method {
        M::Declare(declare) => {
            self::declare(broker, declare)?;
            M::DeclareOk(exchange::DeclareOk {})
        }
        M::Delete(delete) => {
            self::delete(broker, &delete)?;
            M::DeleteOk(exchange::DeleteOk {})
        }
        M::Bind(bind) => {
            let binding = Binding {
                exchange: bind.source.to_string(),
                destination: Destination::Exchange(bind.destination.to_string()),
                routing_key: bind.routing_key.to_string(),
                arguments: bind.arguments,
                since: Some(broker.clock.now()),
            };
            for name in [bind.source.as_str(), bind.destination.as_str()] {
                named(name)?;
                broker.exchanges.get(name).ok_or_else(|| Exception::no_exchange(name))?;
            }
            binding.check()?;
            broker.bind(binding);
            M::BindOk(exchange::BindOk {})
        }
        M::Unbind(unbind) => {
            broker.unbind(&Binding {
                exchange: unbind.source.to_string(),
                destination: Destination::Exchange(unbind.destination.to_string()),
                routing_key: unbind.routing_key.to_string(),
                arguments: unbind.arguments,
                since: None,
            });
            M::UnbindOk(exchange::UnbindOk {})
        }
        _ => return Err(Exception::new(540, "NOT_IMPLEMENTED")),
    };
    Ok(Some(AMQPClass::Exchange(answer)))
}

fn declare(broker: &mut Broker, declare: exchange::Declare) -> Result<(), Exception> {
    let (name, kind) = (declare.exchange.to_string(), declare.kind.to_string());
    if declare.passive {
        return broker.exchanges.get(&name).map(|_| ()).ok_or_else(|| Exception::no_exchange(&name));
    }
    named(&name)?;
    if !["direct", "fanout", "topic", "headers"].contains(&kind.as_str()) {
        return Err(Exception::new(503, format!("COMMAND_INVALID - unknown exchange type '{kind}'")));
    }
    let (durable, auto_delete, internal) = (declare.durable, declare.auto_delete, declare.internal);
    let exchange = Exchange { kind, durable, auto_delete, internal, arguments: declare.arguments };
    if let Some(known) = broker.exchanges.get(&name) {
        return known
            .difference(&exchange)
            .map_or(Ok(()), |argument| Err(Exception::inequivalent(argument, "exchange", &name)));
    }
    if name.starts_with("amq.") {
        return Err(Exception::reserved("exchange", &name));
    }
    broker.exchanges.insert(name, exchange);
    Ok(())
}

fn delete(broker: &mut Broker, delete: &exchange::Delete) -> Result<(), Exception> {
    let name = delete.exchange.as_str();
    named(name)?;
    if name.starts_with("amq.") {
        return Err(Exception::reserved("exchange", name));
    }
    if delete.if_unused && broker.bindings.iter().any(|binding| binding.exchange == name) {
        return Err(Exception::new(
            406,
            format!("PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use"),
        ));
    }
    broker.delete_exchange(name);
    Ok(())
}

/// The default exchange is nobody's.
fn named(name: &str) -> Result<(), Exception> {
    if name.is_empty() { Err(Exception::default_exchange()) } else { Ok(()) }
}
