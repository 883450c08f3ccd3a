use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr},
    panic,
};

use ms2m_app::io::BoxStream;
use tokio::task::{JoinError, JoinSet};

use super::{Delivery, socket::Socket};

/// Listens on `port` of the simulated host that is running, and handles each connection in a task of its own.
///
/// Returns only when the port is taken. Dropping it closes the port and every connection that it accepted, so
/// that a server that is stopped without its host crashing is gone for its clients too.
pub async fn serve<F, Fut>(port: u16, handle: F) -> turmoil::Result
where
    F: Fn(BoxStream) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    serve_peers(port, move |stream, _| handle(stream)).await
}

/// The same, where it matters from which host a connection comes.
pub async fn serve_peers<F, Fut>(port: u16, handle: F) -> turmoil::Result
where
    F: Fn(BoxStream, IpAddr) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let listener = turmoil::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let accept = async || {
        let (stream, peer) = listener.accept().await?;
        Ok((Delivery::apply(Socket::new(stream)?), peer.ip()))
    };
    Ok(accept_all(accept, move |(stream, peer)| handle(stream, peer)).await?)
}

/// Serves the same on a real socket, in the current [`LocalSet`](tokio::task::LocalSet).
///
/// Returns only when the listener fails. Dropping it closes the port and every connection that it accepted.
pub async fn serve_tcp<F, Fut>(listener: tokio::net::TcpListener, handle: F) -> io::Result<()>
where
    F: Fn(BoxStream) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let accept = async || {
        let (stream, _) = listener.accept().await?;
        // Fails only when the peer is gone already, which its handler will notice.
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream) as BoxStream)
    };
    accept_all(accept, handle).await
}

async fn accept_all<T, F, Fut>(accept: impl AsyncFn() -> io::Result<T>, handle: F) -> io::Result<()>
where
    F: Fn(T) -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => propagate_panic(ended),
            accepted = accept() => match accepted {
                Ok(stream) => {
                    connections.spawn_local(handle(stream));
                }
                // The peer gave up between its SYN and our accept: its loss.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            },
        }
    }
}

/// A panic of a simulated server is a bug of the simulator, not a fault to be tolerated.
fn propagate_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        panic::resume_unwind(error.into_panic());
    }
}
