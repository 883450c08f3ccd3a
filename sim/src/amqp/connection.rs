use std::{fmt, io, time::Duration};

use amq_protocol::frame::{AMQPFrame, gen_frame, parse_frame};
use ms2m_app::io::Stream;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::mpsc::UnboundedReceiver,
};

use super::{SharedBroker, session::Session};
use crate::trace;

/// Serves one client until it closes the connection, the connection breaks, or the broker drops it.
pub async fn serve_connection<S: Stream>(broker: SharedBroker, stream: S) {
    let (client, session, outbox) = broker.accept();
    // Also when this future is dropped, as when the host crashes.
    let _ended = EndOnDrop { broker: broker.clone(), client };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        biased;
        result = write(client, writer, outbox) => log(client, result),
        result = read(broker, session, reader) => log(client, result),
    }
}

fn log(client: u64, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(client, %error, "AMQP connection ended");
    }
}

struct EndOnDrop {
    broker: SharedBroker,
    client: u64,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.broker.lock().end_client(self.client);
    }
}

async fn read<S: Stream>(
    broker: SharedBroker,
    mut session: Session,
    mut reader: ReadHalf<S>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut part = vec![0; 65_536];
    loop {
        let mut consumed = 0;
        loop {
            match parse_frame(&buffer[consumed..]) {
                Ok((rest, frame)) => {
                    consumed = buffer.len() - rest.len();
                    trace_frame(session.client(), '>', &frame);
                    session.take_in(&mut broker.lock(), frame);
                    if std::mem::take(&mut session.blocked) {
                        broker.memory().await;
                    }
                }
                Err(error) if error.is_incomplete() => break,
                Err(error) => return Err(io::Error::other(format!("malformed frame: {error:?}"))),
            }
        }
        buffer.drain(..consumed);
        if session.closed {
            // The writer sends the last answer; the client closes the socket.
            tokio::time::sleep(LINGER).await;
            return Ok(());
        }
        let read = reader.read(&mut part);
        let count = if session.heartbeat == 0 {
            read.await?
        } else {
            // Two heartbeats without a sign: the peer is gone.
            tokio::time::timeout(Duration::from_secs(u64::from(session.heartbeat) * 2), read).await??
        };
        if count == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&part[..count]);
    }
}

/// How long a closed connection stays, so that the answer gets out.
const LINGER: Duration = Duration::from_millis(50);
/// How often the broker gives a sign when it has nothing to say.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

async fn write<S: Stream>(
    client: u64,
    mut writer: WriteHalf<S>,
    mut outbox: UnboundedReceiver<AMQPFrame>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut greeted = false;
    loop {
        let frame = match tokio::time::timeout(HEARTBEAT_EVERY, outbox.recv()).await {
            Ok(Some(frame)) => frame,
            // The broker dropped this client.
            Ok(None) => return Ok(()),
            Err(_) if greeted => AMQPFrame::Heartbeat,
            Err(_) => continue,
        };
        greeted = true;
        trace_frame(client, '<', &frame);
        encode(&frame, &mut bytes)?;
        while bytes.len() < 60_000
            && let Ok(frame) = outbox.try_recv()
        {
            trace_frame(client, '<', &frame);
            encode(&frame, &mut bytes)?;
        }
        writer.write_all(&bytes).await?;
        bytes.clear();
    }
}

fn trace_frame(client: u64, direction: char, frame: &AMQPFrame) {
    match frame {
        AMQPFrame::Heartbeat | AMQPFrame::InvalidHeartbeat(_) | AMQPFrame::ProtocolHeader(_) => {}
        AMQPFrame::Method(channel, method) => {
            trace!("rabbitmq", "client {client}.{channel} {direction} {method:?}");
        }
        AMQPFrame::Header(channel, header) => {
            let properties = &header.properties;
            trace!("rabbitmq", "client {client}.{channel} {direction} {properties:?}");
        }
        AMQPFrame::Body(channel, body) => {
            trace!("rabbitmq", "client {client}.{channel} {direction} {}", Shown(body));
        }
    }
}

/// How much of a body a trace shows; of a longer one its length and a digest stand for the rest.
const SHOWN: usize = 256;

struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.0;
        let begin = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
        f.write_str(&begin)?;
        if body.len() > SHOWN {
            let digest = Sha256::digest(body);
            write!(
                f,
                "... {} bytes, {:02x}{:02x}{:02x}{:02x}",
                body.len(),
                digest[0],
                digest[1],
                digest[2],
                digest[3]
            )?;
        }
        Ok(())
    }
}

fn encode(frame: &AMQPFrame, bytes: &mut Vec<u8>) -> io::Result<()> {
    let end = std::mem::take(bytes);
    let written = gen_frame(frame)(end.into()).map_err(io::Error::other)?;
    *bytes = written.into_inner().0;
    Ok(())
}
