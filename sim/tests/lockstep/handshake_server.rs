//! Just enough of an AMQP 0.9.1 server for a client to connect, open channels and set their prefetch.

use std::{io, time::Duration};

use amq_protocol::{
    frame::{AMQPFrame, gen_frame, parse_frame},
    protocol::{AMQPClass, basic, channel, connection},
    types::FieldTable,
};
use ms2m_app::io::BoxStream;
use ms2m_sim::trace;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Negotiated with every client, in seconds.
pub(crate) const HEARTBEAT_SECS: u16 = 10;

/// Serves one connection until it is closed, lost, or silent for two heartbeats.
pub(crate) async fn serve_connection(mut stream: BoxStream) {
    let end = match converse(&mut stream).await {
        Ok(()) => "closed by the client".to_owned(),
        Err(error) => error.kind().to_string(),
    };
    trace!("mq", "connection ends: {end}");
}

async fn converse(stream: &mut BoxStream) -> io::Result<()> {
    let silence_max = Duration::from_secs(u64::from(HEARTBEAT_SECS) * 2);
    let mut heartbeat = tokio::time::interval(Duration::from_secs(u64::from(HEARTBEAT_SECS) / 2));
    let mut last_heard = tokio::time::Instant::now();
    let mut input = Vec::new();
    let mut connected = false;
    loop {
        tokio::select! {
            biased;
            read = stream.read_buf(&mut input) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                last_heard = tokio::time::Instant::now();
            }
            _ = heartbeat.tick(), if connected => {
                if last_heard.elapsed() > silence_max {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                write_frame(stream, &AMQPFrame::Heartbeat).await?;
            }
        }
        while let Some(frame) = take_frame(&mut input)? {
            let Some((channel, answer)) = answer(&frame) else { continue };
            connected |= matches!(answer, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_)));
            let closing = matches!(answer, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)));
            write_frame(stream, &AMQPFrame::Method(channel, answer)).await?;
            if closing {
                return stream.shutdown().await;
            }
        }
    }
}

fn answer(frame: &AMQPFrame) -> Option<(u16, AMQPClass)> {
    let start = || connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: FieldTable::default(),
        mechanisms: "PLAIN".into(),
        locales: "en_US".into(),
    };
    let tune = connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: HEARTBEAT_SECS };
    let AMQPFrame::Method(id, method) = frame else {
        let connection = || AMQPClass::Connection(connection::AMQPMethod::Start(start()));
        return matches!(frame, AMQPFrame::ProtocolHeader(_)).then(|| (0, connection()));
    };
    let answer = match method {
        AMQPClass::Connection(connection::AMQPMethod::StartOk(_)) => {
            AMQPClass::Connection(connection::AMQPMethod::Tune(tune))
        }
        AMQPClass::Connection(connection::AMQPMethod::Open(_)) => {
            AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))
        }
        AMQPClass::Connection(connection::AMQPMethod::Close(_)) => {
            AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
        }
        AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
            AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))
        }
        AMQPClass::Channel(channel::AMQPMethod::Close(_)) => {
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
        }
        AMQPClass::Basic(basic::AMQPMethod::Qos(_)) => {
            AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {}))
        }
        _ => return None,
    };
    Some((*id, answer))
}

fn take_frame(input: &mut Vec<u8>) -> io::Result<Option<AMQPFrame>> {
    match parse_frame(input.as_slice()) {
        Ok((rest, frame)) => {
            let consumed = input.len() - rest.len();
            input.drain(..consumed);
            Ok(Some(frame))
        }
        Err(error) if error.is_incomplete() => Ok(None),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn write_frame(stream: &mut BoxStream, frame: &AMQPFrame) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let written = gen_frame(frame)(io::Cursor::new(&mut buffer[..]).into()).map_err(io::Error::other)?;
    let length = usize::try_from(written.into_inner().0.position()).map_err(io::Error::other)?;
    stream.write_all(&buffer[..length]).await
}
