use std::{
    future::{self, Future},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use lapin::uri::AMQPUri;
use ms2m_app::io::BoxStream;
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, copy, duplex, split},
    sync::{mpsc, oneshot},
    time::Sleep,
};

use super::{Guest, guest::Progress};

/// As much as a socket's buffer: a client that does not read, or whose peer does not, is slowed down.
const PIPE_BYTES: usize = 64 << 10;

/// Opens the stream of a connection; called on the simulation's thread.
pub(crate) type Open = Box<dyn Fn(AMQPUri) -> BoxFuture<'static, io::Result<BoxStream>> + Send>;

/// A guest asks for a stream: only the simulation's thread can open one.
pub(super) struct StreamRequest {
    pub(super) uri: AMQPUri,
    pub(super) answer: oneshot::Sender<io::Result<DuplexStream>>,
}

/// The task that runs a guest and carries its bytes. It ends when the guest's thread has ended and everything that
/// it wrote is on its way; dropped before, with its host, it ends the thread.
pub(super) struct HostSide {
    // Dropped first: that breaks the guest's stream, so that it can end.
    streams: Pin<Box<dyn Future<Output = ()> + Send>>,
    streams_done: bool,
    schedule: Schedule,
}

impl HostSide {
    pub(super) fn new(
        guest: Arc<Guest>,
        requests: mpsc::UnboundedReceiver<StreamRequest>,
        open: Open,
    ) -> Self {
        Self {
            streams: Box::pin(provide_streams(requests, open)),
            streams_done: false,
            schedule: Schedule { guest, alarm: None },
        }
    }
}

impl Future for HostSide {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.streams_done {
            self.streams_done = self.streams.as_mut().poll(cx).is_ready();
        }
        // Whatever the guest writes or closes now wakes this task through the pipe.
        let ended = self.schedule.poll(cx).is_ready();
        if ended && self.streams_done { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Runs a guest whenever it is due.
struct Schedule {
    guest: Arc<Guest>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Schedule {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.guest.register(cx.waker());
            let wait = match self.guest.run_while_due() {
                Progress::Ended => return Poll::Ready(()),
                Progress::Waits(wait) => wait,
            };
            self.alarm = wait.map(|wait| Box::pin(tokio::time::sleep(wait)));
            let Some(alarm) = &mut self.alarm else { return Poll::Pending };
            // An alarm that is due at once leads to another slice.
            ready!(alarm.as_mut().poll(cx));
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.guest.end();
        // Another guest of this host may have waited for what has been dropped in between.
        if let Some(simulation) = self.guest.simulation() {
            simulation.guests().end_abandoned();
        }
    }
}

/// Opens and carries one stream after the other, until the guest can ask for no more.
async fn provide_streams(mut requests: mpsc::UnboundedReceiver<StreamRequest>, open: Open) {
    while let Some(StreamRequest { uri, answer }) = requests.recv().await {
        match open(uri).await {
            Ok(stream) => {
                let (near, far) = duplex(PIPE_BYTES);
                if answer.send(Ok(far)).is_ok() {
                    carry(stream, near).await;
                }
            }
            // A guest that no longer wants to know has ended.
            Err(error) => drop(answer.send(Err(error))),
        }
    }
}

/// Carries bytes both ways until the guest has closed its end and everything it wrote is on its way.
async fn carry(stream: BoxStream, pipe: DuplexStream) {
    let (mut from_network, mut to_network) = split(stream);
    let (mut from_guest, mut to_guest) = split(pipe);
    let outbound = copy(&mut from_guest, &mut to_network);
    let inbound = async {
        // Closed and broken look the same to the guest: the end of the stream. What it does then ends `outbound`.
        let _ = copy(&mut from_network, &mut to_guest).await;
        let _ = to_guest.shutdown().await;
        future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        _ = outbound => {}
        () = inbound => {}
    }
}
