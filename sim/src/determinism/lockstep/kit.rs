use std::{
    future::{self, Future},
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use async_rs::{
    traits::{Executor, Reactor, RuntimeKit},
    util::{Task, TaskImpl},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures_io::{AsyncRead, AsyncWrite};
use tokio::{io::DuplexStream, runtime::Handle, task::JoinHandle};
use tokio_util::compat::Compat;

use super::{Guest, seat, this_guest};

/// The runtime that a client gets: tasks go to the simulated host, `block_on` rests in lock-step.
#[derive(Clone, Debug)]
pub(super) struct Kit {
    host: Handle,
    guest: Arc<Guest>,
}

impl Kit {
    /// For `guest`, whose connection belongs to the simulated host that is running.
    pub(super) fn new(guest: Arc<Guest>) -> Self {
        Self { host: Handle::current(), guest }
    }
}

impl RuntimeKit for Kit {}

#[derive(Debug)]
pub(super) struct HostTask<T: Send + 'static>(Option<JoinHandle<T>>);

#[async_trait]
impl<T: Send + 'static> TaskImpl for HostTask<T> {
    async fn cancel(&mut self) -> Option<T> {
        let task = self.0.take()?;
        task.abort();
        task.await.ok()
    }
}

impl<T: Send + 'static> Future for HostTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // A cancelled or panicked task has no value to give; its waiter is being torn down with it.
        match self.0.as_mut().map(|task| Pin::new(task).poll(cx)) {
            Some(Poll::Ready(Ok(value))) => Poll::Ready(value),
            _ => Poll::Pending,
        }
    }
}

impl Executor for Kit {
    type Task<T: Send + 'static> = HostTask<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        seat::take(&self.guest);
        let mut future = pin!(future);
        let waker = Waker::from(Arc::clone(&self.guest));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => {
                    self.guest.rest(None);
                }
            }
        }
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        HostTask(Some(self.host.spawn(future))).into()
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        // The simulated host has no pool of threads: whatever blocks takes no simulated time.
        self.spawn(async move { work() })
    }
}

impl Reactor for Kit {
    type TcpStream = Compat<DuplexStream>;
    type Sleep = Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Self::TcpStream, _>(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if let Some(guest) = this_guest() {
            return Sleep::Guest { until: guest.clock().monotonic + duration, guest };
        }
        let _entered = self.host.enter();
        Sleep::Host(Box::pin(tokio::time::sleep(duration)))
    }

    fn interval(&self, period: Duration) -> impl futures_core::Stream<Item = Instant> + Send + 'static {
        let _entered = self.host.enter();
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
        future::ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}

/// A pause in simulated time.
pub(super) enum Sleep {
    /// In a task of the simulated host.
    Host(Pin<Box<tokio::time::Sleep>>),
    /// In a guest's `block_on`. It works when the host and its timers are gone, and is over at once then.
    Guest {
        /// The guest that pauses.
        guest: Arc<Guest>,
        /// When it goes on, by its monotonic clock.
        until: Duration,
    },
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Host(sleep) => sleep.as_mut().poll(cx),
            Self::Guest { guest, until } if guest.is_abandoned() || *until <= guest.clock().monotonic => {
                Poll::Ready(())
            }
            Self::Guest { guest, until } => {
                guest.wake_at(Some(*until));
                Poll::Pending
            }
        }
    }
}
