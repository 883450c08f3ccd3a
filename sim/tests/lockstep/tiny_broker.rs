//! Just enough of an AMQP 0.9.1 broker for a client to connect, and to publish to and consume from one queue.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io,
    pin::pin,
    rc::Rc,
    time::Duration,
};

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame, gen_frame, parse_frame},
    protocol::{
        AMQPClass,
        basic::{self, AMQPMethod as Basic, AMQPProperties},
        channel::{self, AMQPMethod as Channel},
        confirm::{self, AMQPMethod as Confirm},
        connection::{self, AMQPMethod as Connection},
    },
    types::FieldTable,
};
use ms2m_app::io::BoxStream;
use ms2m_sim::trace;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

/// Negotiated with every client, in seconds.
pub(crate) const HEARTBEAT_SECS: u16 = 10;
const FRAME_BYTES_MAX: u32 = 4096;
const PREFETCH: usize = 16;

/// The one queue, shared by all connections.
#[derive(Default)]
pub(crate) struct Queue {
    ready: RefCell<VecDeque<Message>>,
    changed: Notify,
}

struct Message {
    body: Vec<u8>,
    redelivered: bool,
}

/// Serves one connection until it is closed, lost, or silent for two heartbeats.
pub(crate) async fn serve_connection(mut stream: BoxStream, queue: Rc<Queue>) {
    let mut client = Client::default();
    client.queue = queue;
    let end = match client.converse(&mut stream).await {
        Ok(()) => "closed by the client".to_owned(),
        Err(error) => error.kind().to_string(),
    };
    trace!("mq", "connection ends: {end}");
}

/// One connection's state. Dropped, it gives back what was not acknowledged.
#[derive(Default)]
struct Client {
    queue: Rc<Queue>,
    output: Vec<u8>,
    connected: bool,
    closing: bool,
    /// A message on its way in: its channel, its length and what has come.
    incoming: Option<(u16, usize, Vec<u8>)>,
    published: BTreeMap<u16, u64>,
    consumer: Option<(u16, basic::Consume)>,
    unacked: BTreeMap<u64, Message>,
    delivered: u64,
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut ready = self.queue.ready.borrow_mut();
        for (_, message) in std::mem::take(&mut self.unacked).into_iter().rev() {
            ready.push_front(Message { redelivered: true, ..message });
        }
        self.queue.changed.notify_waiters();
    }
}

impl Client {
    async fn converse(&mut self, stream: &mut BoxStream) -> io::Result<()> {
        let mut heartbeat = tokio::time::interval(Duration::from_secs(u64::from(HEARTBEAT_SECS) / 2));
        let mut last_heard = tokio::time::Instant::now();
        let mut input = Vec::new();
        let queue = Rc::clone(&self.queue);
        loop {
            let mut changed = pin!(queue.changed.notified());
            changed.as_mut().enable();
            self.deliver()?;
            stream.write_all(&std::mem::take(&mut self.output)).await?;
            if self.closing {
                return stream.shutdown().await;
            }
            tokio::select! {
                biased;
                read = stream.read_buf(&mut input) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    last_heard = tokio::time::Instant::now();
                }
                () = changed => {}
                _ = heartbeat.tick(), if self.connected => {
                    if last_heard.elapsed().as_secs() > u64::from(HEARTBEAT_SECS) * 2 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.send(&AMQPFrame::Heartbeat)?;
                }
            }
            while let Some(frame) = take_frame(&mut input)? {
                self.handle(frame)?;
            }
        }
    }

    fn handle(&mut self, frame: AMQPFrame) -> io::Result<()> {
        match frame {
            AMQPFrame::ProtocolHeader(_) => {
                self.answer(0, AMQPClass::Connection(Connection::Start(start())))?;
            }
            AMQPFrame::Method(id, method) => self.handle_method(id, method)?,
            AMQPFrame::Header(id, header) => {
                let length = usize::try_from(header.body_size).map_err(io::Error::other)?;
                self.incoming = Some((id, length, Vec::new()));
            }
            AMQPFrame::Body(_, part) => {
                self.incoming.iter_mut().for_each(|(.., body)| body.extend_from_slice(&part));
            }
            AMQPFrame::Heartbeat => {}
            AMQPFrame::InvalidHeartbeat(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        if let Some((id, _, body)) = self.incoming.take_if(|(_, length, body)| *length == body.len()) {
            self.queue.ready.borrow_mut().push_back(Message { body, redelivered: false });
            self.queue.changed.notify_waiters();
            let published = self.published.entry(id).or_default();
            *published += 1;
            let ack = basic::Ack { delivery_tag: *published, multiple: false };
            self.answer(id, AMQPClass::Basic(Basic::Ack(ack)))?;
        }
        Ok(())
    }

    fn handle_method(&mut self, id: u16, method: AMQPClass) -> io::Result<()> {
        let answer = match method {
            AMQPClass::Connection(Connection::StartOk(_)) => AMQPClass::Connection(Connection::Tune(tune())),
            AMQPClass::Connection(Connection::Open(_)) => {
                self.connected = true;
                AMQPClass::Connection(Connection::OpenOk(connection::OpenOk {}))
            }
            AMQPClass::Connection(Connection::Close(_)) => {
                self.closing = true;
                AMQPClass::Connection(Connection::CloseOk(connection::CloseOk {}))
            }
            AMQPClass::Channel(Channel::Open(_)) => AMQPClass::Channel(Channel::OpenOk(channel::OpenOk {})),
            AMQPClass::Channel(Channel::Close(_)) => {
                AMQPClass::Channel(Channel::CloseOk(channel::CloseOk {}))
            }
            AMQPClass::Confirm(Confirm::Select(_)) => {
                AMQPClass::Confirm(Confirm::SelectOk(confirm::SelectOk {}))
            }
            AMQPClass::Basic(Basic::Qos(_)) => AMQPClass::Basic(Basic::QosOk(basic::QosOk {})),
            AMQPClass::Basic(Basic::Consume(consume)) => {
                let consumer_tag = consume.consumer_tag.clone();
                self.consumer = Some((id, consume));
                AMQPClass::Basic(Basic::ConsumeOk(basic::ConsumeOk { consumer_tag }))
            }
            AMQPClass::Basic(Basic::Ack(ack)) => {
                self.unacked.remove(&ack.delivery_tag);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.answer(id, answer)
    }

    fn deliver(&mut self) -> io::Result<()> {
        let Some((id, consume)) = self.consumer.clone() else { return Ok(()) };
        while self.unacked.len() < PREFETCH
            && let Some(message) = { self.queue.ready.borrow_mut().pop_front() }
        {
            self.delivered += 1;
            let deliver = basic::Deliver {
                consumer_tag: consume.consumer_tag.clone(),
                delivery_tag: self.delivered,
                redelivered: message.redelivered,
                exchange: "".into(),
                routing_key: "queue".into(),
            };
            let (class_id, body_size) = (60, message.body.len() as u64);
            let header = AMQPContentHeader { class_id, body_size, properties: AMQPProperties::default() };
            self.answer(id, AMQPClass::Basic(Basic::Deliver(deliver)))?;
            self.send(&AMQPFrame::Header(id, header))?;
            for part in message.body.chunks(FRAME_BYTES_MAX as usize - 8) {
                self.send(&AMQPFrame::Body(id, part.to_vec()))?;
            }
            self.unacked.insert(self.delivered, message);
        }
        Ok(())
    }

    fn answer(&mut self, id: u16, method: AMQPClass) -> io::Result<()> {
        self.send(&AMQPFrame::Method(id, method))
    }

    fn send(&mut self, frame: &AMQPFrame) -> io::Result<()> {
        let mut buffer = [0; FRAME_BYTES_MAX as usize];
        let written = gen_frame(frame)(io::Cursor::new(&mut buffer[..]).into()).map_err(io::Error::other)?;
        let length = usize::try_from(written.into_inner().0.position()).map_err(io::Error::other)?;
        self.output.extend_from_slice(&buffer[..length]);
        Ok(())
    }
}

fn start() -> connection::Start {
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: FieldTable::default(),
        mechanisms: "PLAIN".into(),
        locales: "en_US".into(),
    }
}

fn tune() -> connection::Tune {
    connection::Tune { channel_max: 2047, frame_max: FRAME_BYTES_MAX, heartbeat: HEARTBEAT_SECS }
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
