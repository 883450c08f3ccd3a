//! The traffic generator: publishes at a set rate, and writes down what the broker has confirmed.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use lapin::uri::AMQPUri;
use ms2m_app::io::{OsEntropy, SocketDial};
use ms2m_counter::{
    topology::{Topology, declare},
    traffic::{SharedRecord, TrafficConfig, Until, run_traffic},
};
use tokio::signal::unix::{SignalKind, signal};

/// Publishes numbered messages until it is told to stop, and records what was confirmed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The broker, as amqp:// or amqps:// URI.
    #[arg(long, env = "MS2M_AMQP_URL", hide_env_values = true)]
    amqp_url: String,
    /// Exchange to publish to.
    #[arg(long, default_value = "work")]
    exchange: String,
    /// Routing key of every message.
    #[arg(long, default_value = "work")]
    routing_key: String,
    /// Declares the exchange and this queue, bound to it, before anything is published.
    #[arg(long)]
    declare_queue: Option<String>,
    /// Number of producers.
    #[arg(long, default_value_t = 4)]
    producers: u32,
    /// Messages per second, of all producers together.
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// Bytes that a body is longer than it must be.
    #[arg(long, default_value_t = 0)]
    padding: usize,
    /// Ends after so many seconds.
    #[arg(long, conflicts_with = "messages")]
    seconds: Option<u64>,
    /// Ends after so many messages.
    #[arg(long)]
    messages: Option<u64>,
    /// File for the record, as JSON, written at the end.
    #[arg(long)]
    record: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).init();
    let arguments = Arguments::parse();
    let uri: AMQPUri =
        arguments.amqp_url.parse().map_err(|error| anyhow::anyhow!("MS2M_AMQP_URL: {error}"))?;
    anyhow::ensure!(
        arguments.rate > 0.0 && arguments.producers > 0,
        "--rate and --producers must be positive"
    );
    let dial = Arc::new(SocketDial::system_roots().context("cannot read the trusted certificates")?);
    let (exchange, routing_key) = (arguments.exchange, arguments.routing_key);
    if let Some(queue) = arguments.declare_queue {
        let topology = Topology { exchange: exchange.clone(), routing_key: routing_key.clone(), queue };
        declare(&topology, uri.clone(), dial.clone()).await.context("cannot declare exchange and queue")?;
    }
    let until = match (arguments.seconds, arguments.messages) {
        (Some(seconds), _) => Until::Elapsed(Duration::from_secs(seconds)),
        (None, Some(messages)) => Until::Messages(messages),
        (None, None) => Until::Stopped,
    };
    let (producers, rate, padding) = (arguments.producers, arguments.rate, arguments.padding);
    let (routing_keys, headers) = (vec![routing_key], BTreeMap::new());
    let config = TrafficConfig { uri, exchange, routing_keys, headers, producers, rate, padding, until };

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    let record = SharedRecord::default();
    run_traffic(config, dial, Arc::new(OsEntropy), record.clone(), stop).await?;
    let record = record.snapshot();
    let file = arguments.record;
    std::fs::write(&file, serde_json::to_vec(&record)?).with_context(|| file.display().to_string())?;
    println!("{} published, {} sent again", record.published(), record.resent);
    Ok(())
}
