//! Lets `lapin` run on the caller's tokio runtime and on a stream that [`Dial`] opened, TLS included.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_rs::{
    Runtime,
    traits::{Executor, Reactor, RuntimeKit},
    util::{Task, TaskImpl},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::{
    tcp::AsyncTcpStream,
    uri::{AMQPScheme, AMQPUri},
};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::{BoxStream, Dial, Endpoint, SocketDial};

/// Connects `lapin` over `dial`; the runtime it runs on is the current one.
pub(super) async fn connect(
    dial: SocketDial,
    uri: AMQPUri,
    properties: lapin::ConnectionProperties,
) -> lapin::Result<lapin::Connection> {
    let kit = TokioKit { handle: Handle::current() };
    let open = async move |uri: AMQPUri, _: Runtime<TokioKit>| {
        let endpoint = Endpoint {
            host: uri.authority.host.clone(),
            port: uri.authority.port,
            tls: uri.scheme == AMQPScheme::AMQPS,
        };
        let stream = dial.connect(&endpoint).await.map_err(lapin::Error::from)?;
        Ok(AsyncTcpStream::Plain(stream.compat()))
    };
    lapin::Connection::connector(uri, Runtime::new(kit), open, properties).await
}

#[derive(Clone, Debug)]
struct TokioKit {
    handle: Handle,
}

#[derive(Debug)]
struct TokioTask<T: Send + 'static>(Option<JoinHandle<T>>);

#[async_trait]
impl<T: Send + 'static> TaskImpl for TokioTask<T> {
    async fn cancel(&mut self) -> Option<T> {
        let handle = self.0.take()?;
        handle.abort();
        handle.await.ok()
    }
}

impl<T: Send + 'static> Future for TokioTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // A cancelled or panicked task has no value to give; its waiter is being torn down with it.
        match self.0.as_mut().map(|handle| Pin::new(handle).poll(cx)) {
            Some(Poll::Ready(Ok(value))) => Poll::Ready(value),
            _ => Poll::Pending,
        }
    }
}

impl RuntimeKit for TokioKit {}

impl Executor for TokioKit {
    type Task<T: Send + 'static> = TokioTask<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.handle.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        TokioTask(Some(self.handle.spawn(future))).into()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "lapin asks for it by contract, with a custom stream it never does"
    )]
    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        TokioTask(Some(self.handle.spawn_blocking(f))).into()
    }
}

impl Reactor for TokioKit {
    type TcpStream = Compat<BoxStream>;
    type Sleep = tokio::time::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Compat<BoxStream>, _>(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        let _entered = self.handle.enter();
        tokio::time::sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl futures_core::Stream<Item = Instant> + Send + 'static {
        let _entered = self.handle.enter();
        let ticks = tokio::time::interval(period);
        futures::stream::unfold(ticks, |mut ticks| async move {
            let tick = ticks.tick().await;
            Some((tick.into_std(), ticks))
        })
        .boxed()
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        futures::future::ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}
