use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use ms2m_app::io::{BoxStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How the simulated network treats what is written at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It usually arrives at once. A real network promises no such thing.
    #[default]
    Whole,
    /// It is cut at random places, so that readers see frames and requests in pieces.
    Fragmented,
    /// It goes out in segments of at most so many bytes.
    Segments(u32),
}

thread_local! {
    static CURRENT: Cell<Delivery> = const { Cell::new(Delivery::Whole) };
}

impl Delivery {
    /// Applies to every connection of the current run that is dialled or accepted from now on.
    pub fn select(self) {
        CURRENT.set(self);
    }

    /// Wraps a stream of the current run.
    pub(super) fn apply(stream: impl Stream) -> BoxStream {
        match CURRENT.get() {
            Self::Whole => Box::new(stream),
            Self::Fragmented => Box::new(Fragmented::new(stream)),
            Self::Segments(most) => Box::new(Fragmented { stream, cut: Cut::At(most.max(1) as usize) }),
        }
    }
}

/// A stream that accepts only a part of most writes, so that the peer's reads are partial.
#[derive(Debug)]
pub struct Fragmented<S> {
    stream: S,
    cut: Cut,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    Anywhere,
    At(usize),
}

impl<S> Fragmented<S> {
    /// Cuts what is written to `stream` at random places; its reads are the peer's matter.
    pub fn new(stream: S) -> Self {
        Self { stream, cut: Cut::Anywhere }
    }
}

impl Cut {
    /// How much of a write of `length` bytes goes out in one piece; anywhere: now and then a few bytes, else up to all of it.
    fn piece(self, length: usize) -> usize {
        let most = match self {
            Self::At(most) => return length.min(most),
            Self::Anywhere if fastrand::u8(..8) == 0 => length.min(8),
            Self::Anywhere => length,
        };
        if most == 0 { 0 } else { fastrand::usize(1..=most) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fragmented<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fragmented<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = self.cut.piece(bytes.len());
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..length])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
