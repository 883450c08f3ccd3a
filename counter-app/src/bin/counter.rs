//! The counter service: consumes a queue, keeps what it counts in RAM, and shows it over HTTP.
#![forbid(unsafe_code)]

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use lapin::uri::AMQPUri;
use ms2m_app::{
    Consumer, ConsumerConfig, DEFAULT_POD_UID_FILE, ENV_POD_UID_FILE, IdentityFile, RamCell,
    engine::{ENV_RESTORE, Ram},
    io::{Entropy as _, OsEntropy, SocketDial},
};
use ms2m_counter::{Counter, CounterState, OutputTo, serve_http};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// A stateful service that ms2m can migrate: counts and sums the messages of a queue.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The broker, as amqp:// or amqps:// URI.
    #[arg(long, env = "MS2M_AMQP_URL", hide_env_values = true)]
    amqp_url: String,
    /// The queue to consume.
    #[arg(long, env = "MS2M_QUEUE")]
    queue: String,
    /// How many messages may be delivered ahead.
    #[arg(long, env = "MS2M_PREFETCH", default_value_t = 32)]
    prefetch: u16,
    /// Port of GET /state and GET /healthz.
    #[arg(long, env = "MS2M_HTTP_PORT", default_value_t = 8080)]
    http_port: u16,
    /// File with the pod's UID, mounted by the downward API.
    #[arg(long, env = ENV_POD_UID_FILE, default_value = DEFAULT_POD_UID_FILE)]
    identity_file: PathBuf,
    /// Set by the operator in a shadow pod only: a process that sees it was started where it should have been restored.
    #[arg(long, env = ENV_RESTORE, hide = true)]
    restore: Option<String>,
    /// Work per message, in milliseconds.
    #[arg(long, env = "MS2M_COST_MS", default_value_t = 0)]
    cost_ms: u64,
    /// Exchange to publish each counted value to.
    #[arg(long, env = "MS2M_OUTPUT_EXCHANGE")]
    output_exchange: Option<String>,
    /// Routing key of what is published.
    #[arg(long, env = "MS2M_OUTPUT_ROUTING_KEY", default_value = "counted")]
    output_routing_key: String,
}

// One thread besides the broker client's own: the fewer, the smaller the checkpoint and the surer its restore.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).init();
    let arguments = Arguments::parse();
    let uri: AMQPUri =
        arguments.amqp_url.parse().map_err(|error| anyhow::anyhow!("MS2M_AMQP_URL: {error}"))?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, arguments.http_port))
        .await
        .with_context(|| format!("cannot listen on port {}", arguments.http_port))?;
    // As process 1 of a container nothing ends it by default: without this it would consume on through its grace period.
    let mut terminate = signal(SignalKind::terminate())?;

    let fresh = Ram::fresh(arguments.restore.as_deref());
    let ram = RamCell::resume(fresh.with_state(CounterState::started(OsEntropy.token())));
    let output = arguments
        .output_exchange
        .map(|exchange| OutputTo { exchange, routing_key: arguments.output_routing_key });
    let handler = Counter { output, cost: Duration::from_millis(arguments.cost_ms) };
    let config = ConsumerConfig { uri, queue: arguments.queue, prefetch: arguments.prefetch };
    let dial = Arc::new(SocketDial::system_roots().context("cannot read the trusted certificates")?);
    let identity = Arc::new(IdentityFile::new(arguments.identity_file));
    let consumer = Consumer::new(config, handler, ram.clone(), dial, identity, Arc::new(OsEntropy));
    tokio::select! {
        reason = consumer.run() => anyhow::bail!("nothing to consume for: {reason}"),
        result = serve(listener, ram) => result,
        _ = terminate.recv() => {
            tracing::info!("terminated");
            Ok(())
        }
    }
}

async fn serve(listener: TcpListener, ram: RamCell<CounterState>) -> anyhow::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve_http(ram.clone(), stream))),
            // A connection that broke in the making, or a passing lack of descriptors, is no reason to lose the state.
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
