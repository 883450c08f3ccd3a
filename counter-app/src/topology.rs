//! The exchange and the queue of an experiment.

use std::sync::Arc;

use lapin::{
    ConnectionProperties, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use ms2m_app::io::Dial;

/// What is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// A durable direct exchange.
    pub exchange: String,
    /// The key by which the queue is bound to it.
    pub routing_key: String,
    /// A durable classic queue.
    pub queue: String,
}

/// Declares a durable direct exchange, a durable classic queue, and its binding. Repeating it changes nothing.
pub async fn declare(topology: &Topology, uri: AMQPUri, dial: Arc<dyn Dial>) -> lapin::Result<()> {
    let (exchange, queue) = (topology.exchange.as_str(), topology.queue.as_str());
    let connection = dial.connect_amqp(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(exchange.into(), ExchangeKind::Direct, durable, FieldTable::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    let key = topology.routing_key.as_str().into();
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key, options, FieldTable::default()).await?;
    connection.close(200, "declared".into()).await
}
