use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connected byte stream: a socket, a TLS session over one, or the simulator's.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A [`Stream`] whose kind nobody needs to know.
pub type BoxStream = Box<dyn Stream>;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is spoken on the stream that [`Dial::connect`] returns.
    pub tls: bool,
}

/// Opens every connection of the program: the cut between our code and the world.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// Connects to `endpoint`, TLS handshake included where it asks for one.
    ///
    /// Has no deadline of its own: the caller knows how long the answer is worth waiting for.
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream>;

    /// Opens an AMQP 0.9.1 connection to `uri` with the `lapin` client.
    ///
    /// The client starts a thread of its own; the simulator runs it in lock step, which is why this is part of
    /// the cut and not built on [`Dial::connect`] by the caller. Automatic recovery stays off: a consumer must
    /// learn anew who it is at each connection, and the operator re-reads the world.
    async fn connect_amqp(
        &self,
        uri: lapin::uri::AMQPUri,
        properties: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection>;
}
