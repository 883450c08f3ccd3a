use std::io;

use async_trait::async_trait;
use lapin::{
    ConnectionProperties,
    uri::{AMQPScheme, AMQPUri},
};
use ms2m_app::io::{BoxStream, Dial, Endpoint};
use turmoil::net::TcpStream;

use super::{Delivery, socket::Socket};
use crate::determinism::lockstep;

/// The largest frame that a simulated client asks for, unless its address says otherwise.
///
/// lapin reserves and clears 64 frames per connection. With the 128 KiB of a real broker that takes longer than the
/// rest of a short run.
const FRAME_BYTES_MAX: u32 = 16 << 10;

/// [`Dial`] over turmoil, from the simulated host that is running.
///
/// It behaves as turmoil does: refused where nothing listens or a partition lies between, and no answer at all
/// from a crashed host. An unknown host name is an error of kind [`io::ErrorKind::NotFound`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SimDial;

#[async_trait]
impl Dial for SimDial {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream> {
        let Endpoint { host, port, tls } = endpoint;
        if *tls {
            let message = format!(
                "{host}:{port} asks for TLS, which the simulated network does not speak: use a plain address"
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        Ok(Delivery::apply(Socket::new(stream)?))
    }

    async fn connect_amqp(
        &self,
        mut uri: AMQPUri,
        properties: ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
        let open = |uri: AMQPUri| {
            let endpoint = Endpoint {
                tls: uri.scheme == AMQPScheme::AMQPS,
                host: uri.authority.host,
                port: uri.authority.port,
            };
            Box::pin(async move { Self.connect(&endpoint).await }) as _
        };
        lockstep::connect(uri, properties, Box::new(open)).await
    }
}
