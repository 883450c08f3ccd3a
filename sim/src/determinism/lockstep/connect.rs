use std::io;

use async_rs::Runtime;
use lapin::{ConnectionProperties, tcp::AsyncTcpStream, uri::AMQPUri};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tracing::dispatcher;

use super::{
    Guest,
    host_side::{HostSide, Open, StreamRequest},
    kit::Kit,
};
use crate::determinism::{random, simulation::Simulation};

/// Connects an unmodified `lapin` to `uri` over the streams of `open`, its thread in lock-step.
///
/// Cancelled midway it goes on in the background and closes what it gets, as on a real machine.
pub(crate) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    open: Open,
) -> lapin::Result<lapin::Connection> {
    let simulation = Simulation::current()
        .ok_or_else(|| io::Error::other("a simulated connection exists only in determinism::run"))?;
    let seed = random::next().unwrap_or_default();
    let guest = Guest::new(&simulation, seed, dispatcher::get_default(Clone::clone));
    let (requests, incoming) = mpsc::unbounded_channel();
    let ask_host = async move |uri: AMQPUri, _: Runtime<Kit>| {
        let (answer, stream) = oneshot::channel();
        requests.send(StreamRequest { uri, answer }).map_err(|_| host_is_gone())?;
        let stream = stream.await.map_err(|_| host_is_gone())??;
        Ok(AsyncTcpStream::Plain(stream.compat()))
    };
    let runtime = Runtime::new(Kit::new(guest.clone()));
    let mut connecting = Box::pin(lapin::Connection::connector(uri, runtime, ask_host, properties));
    // The first poll starts the thread. From here to the start of the task that runs it nothing can be cancelled.
    if let std::task::Poll::Ready(refused) = futures::poll!(connecting.as_mut()) {
        return refused;
    }
    guest.baton().await_guest();
    tokio::spawn(HostSide::new(guest, incoming, open));
    connecting.await
}

fn host_is_gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the simulated host has crashed")
}
