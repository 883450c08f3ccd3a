use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::{Sim, ToIpAddr, net::TcpStream};

use crate::determinism;

type Slot = Mutex<Option<TcpStream>>;

thread_local! {
    /// The open sockets of each host of the current run, in the order in which they were opened.
    static OPEN: RefCell<BTreeMap<IpAddr, Vec<Weak<Slot>>>> = const { RefCell::new(BTreeMap::new()) };
    static CRASHING: Cell<Option<IpAddr>> = const { Cell::new(None) };
}

/// Kills everything that runs on `host`, as [`Sim::crash`] does; its sockets are closed in the order in which they
/// were opened.
///
/// Use it instead of turmoil's: tokio drops the tasks of a runtime in an order that depends on how many tasks the
/// process has ever started, so that peers would learn of a crash in an order that is no function of the seed.
pub fn crash(sim: &mut Sim<'_>, host: impl ToIpAddr) {
    let host = sim.lookup(host);
    crashing(host, || sim.crash(host));
}

/// Kills everything that runs on `host` and starts its software again, as [`Sim::bounce`] does; its sockets are
/// closed as by [`crash`].
pub fn bounce(sim: &mut Sim<'_>, host: impl ToIpAddr) {
    let host = sim.lookup(host);
    crashing(host, || sim.bounce(host));
}

fn crashing(host: IpAddr, act: impl FnOnce()) {
    CRASHING.set(Some(host));
    determinism::without_log(act);
    CRASHING.set(None);
}

/// A turmoil stream that its host's crash can close before the task that owns it is dropped.
pub(super) struct Socket {
    host: IpAddr,
    slot: Arc<Slot>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        let host = stream.local_addr()?.ip();
        let slot = Arc::new(Mutex::new(Some(stream)));
        // A connection of a host with itself ends with it, whatever the order.
        if !host.is_loopback() {
            OPEN.with_borrow_mut(|open| {
                let sockets = open.entry(host).or_default();
                sockets.retain(|socket| socket.strong_count() > 0);
                sockets.push(Arc::downgrade(&slot));
            });
        }
        Ok(Self { host, slot })
    }

    fn stream(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll<T>(
        &mut self,
        operation: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.stream().as_mut() {
            Some(stream) => operation(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if CRASHING.get() != Some(self.host) {
            return;
        }
        let sockets = OPEN.with_borrow_mut(|open| open.remove(&self.host)).unwrap_or_default();
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(cx))
    }
}
