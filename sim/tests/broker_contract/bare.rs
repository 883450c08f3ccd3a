use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame, ProtocolVersion, gen_frame, parse_frame},
    protocol::{
        AMQPClass,
        basic::AMQPProperties,
        channel::AMQPMethod as Channel,
        connection::{self, AMQPMethod as Connection},
    },
    types::FieldTable,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::rig::{DEADLINE, Rig};

/// A client that says whatever it is told to: what the library does not let one say, too.
pub(super) struct Bare {
    stream: TcpStream,
    input: Vec<u8>,
}

/// What the broker ends: the channel or the connection, and with which code and text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Channel(u16, String),
    Connection(u16, String),
}

impl Bare {
    /// A connection without a channel.
    pub(super) async fn connect(rig: &Rig) -> Self {
        let uri = rig.uri();
        let authority = &uri.authority;
        let stream = TcpStream::connect((authority.host.as_str(), authority.port)).await.unwrap();
        let mut bare = Self { stream, input: Vec::new() };
        bare.say(&AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1())).await;
        let start = bare.connection().await;
        assert!(matches!(start, Connection::Start(_)), "{start:?}");
        let response = format!("\0{}\0{}", authority.userinfo.username, authority.userinfo.password);
        bare.say_of_connection(Connection::StartOk(connection::StartOk {
            client_properties: FieldTable::default(),
            mechanism: "PLAIN".into(),
            response: response.as_str().into(),
            locale: "en_US".into(),
        }))
        .await;
        let Connection::Tune(tune) = bare.connection().await else { panic!("the broker does not tune") };
        bare.say_of_connection(Connection::TuneOk(connection::TuneOk {
            channel_max: tune.channel_max,
            frame_max: tune.frame_max,
            heartbeat: 0,
        }))
        .await;
        bare.say_of_connection(Connection::Open(connection::Open {
            virtual_host: uri.vhost.as_str().into(),
        }))
        .await;
        let opened = bare.connection().await;
        assert!(matches!(opened, Connection::OpenOk(_)), "{opened:?}");
        bare
    }

    async fn say(&mut self, frame: &AMQPFrame) {
        let bytes = gen_frame(frame)(Vec::new().into()).unwrap().into_inner().0;
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn say_of_connection(&mut self, method: Connection) {
        self.ask(0, AMQPClass::Connection(method)).await;
    }

    /// Says something, and waits for nothing.
    pub(super) async fn ask(&mut self, channel: u16, method: AMQPClass) {
        self.say(&AMQPFrame::Method(channel, method)).await;
    }

    /// The contents of a message, whatever they belong to.
    pub(super) async fn content(&mut self, channel: u16, body: &[u8]) {
        let properties = AMQPProperties::default();
        let header = AMQPContentHeader { class_id: 60, body_size: body.len() as u64, properties };
        self.say(&AMQPFrame::Header(channel, header)).await;
        self.say(&AMQPFrame::Body(channel, body.to_vec())).await;
    }

    /// The next thing that the broker says, heartbeats left out.
    pub(super) async fn answer(&mut self) -> (u16, AMQPClass) {
        loop {
            match parse_frame(self.input.as_slice()) {
                Ok((rest, frame)) => {
                    let consumed = self.input.len() - rest.len();
                    self.input.drain(..consumed);
                    if let AMQPFrame::Method(channel, method) = frame {
                        return (channel, method);
                    }
                }
                Err(error) if error.is_incomplete() => {
                    let read = timeout(DEADLINE, self.stream.read_buf(&mut self.input));
                    assert_ne!(
                        read.await.expect("an answer comes in time").unwrap(),
                        0,
                        "the broker is gone"
                    );
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    async fn connection(&mut self) -> Connection {
        match self.answer().await {
            (0, AMQPClass::Connection(method)) => method,
            other => panic!("{other:?}"),
        }
    }

    /// What the broker ends next, which must be what it says next.
    pub(super) async fn closed(&mut self) -> Closed {
        match self.answer().await {
            (_, AMQPClass::Channel(Channel::Close(close))) => {
                Closed::Channel(close.reply_code, close.reply_text.to_string())
            }
            (0, AMQPClass::Connection(Connection::Close(close))) => {
                Closed::Connection(close.reply_code, close.reply_text.to_string())
            }
            other => panic!("{other:?}"),
        }
    }
}
