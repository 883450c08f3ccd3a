use std::{
    io::Write as _,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind,
    message::Delivery,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use ms2m::broker::rabbitmq::{ManagementUrl, RabbitMq, parse_amqp_url};
use ms2m_app::io::{Dial as _, SocketDial};
use ms2m_sim::{
    amqp::{SharedBroker, keep_time, serve_connection, serve_management},
    network::serve_tcp,
};
use testcontainers::{
    GenericImage,
    core::{IntoContainerPort as _, WaitFor},
    runners::AsyncRunner as _,
};

use crate::server::Server;
use tokio::{
    net::TcpListener,
    task::{LocalSet, spawn_local},
    time::timeout,
};

pub(super) const URL: &str = "MS2M_TEST_RABBITMQ_URL";
pub(super) const MANAGEMENT_URL: &str = "MS2M_TEST_RABBITMQ_MANAGEMENT_URL";
/// Every wait ends by then: a test that hangs is a test that fails.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// What has not come by then does not come.
pub(super) const SILENCE: Duration = Duration::from_millis(300);

pub(super) type Case = for<'a> fn(&'a Rig) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A broker to test, and names that no other test uses.
pub(super) struct Rig {
    url: String,
    management: String,
    prefix: String,
    dial: Arc<SocketDial>,
    pub(super) server: Server,
}

/// Runs a case against the simulated broker, on real sockets.
pub(super) fn simulated(case: Case) {
    block_on(async {
        let broker = SharedBroker::default();
        let (amqp, management) = (listen().await, listen().await);
        let addresses = [&amqp, &management].map(|listener| listener.local_addr().unwrap());
        let (theirs, ours) = (broker.clone(), broker.clone());
        spawn_local(serve_tcp(amqp, move |stream| serve_connection(theirs.clone(), stream)));
        spawn_local(serve_tcp(management, move |stream| serve_management(ours.clone(), stream)));
        spawn_local(keep_time(broker.clone()));
        let url = format!("amqp://guest:guest@{}/%2f", addresses[0]);
        let server = Server::Simulated(broker);
        case(&Rig::new(url, format!("http://guest:guest@{}", addresses[1]), server)).await;
    });
}

/// Runs a case against a real RabbitMQ, or says that it does not and why.
pub(super) fn real(name: &str, case: Case) {
    let (url, management) = match (std::env::var(URL), std::env::var(MANAGEMENT_URL)) {
        (Ok(url), Ok(management)) => (url, management),
        _ => match container() {
            Ok(urls) => urls.clone(),
            Err(why) => {
                // Past the harness, which swallows what a passing test prints.
                let skipped =
                    format!("skipped real::{name}: {URL} and {MANAGEMENT_URL} are not set, and {why}");
                let _ = writeln!(std::io::stderr(), "{skipped}");
                return;
            }
        },
    };
    let server = LocalSet::new().block_on(&runtime(), Server::shared(name));
    block_on(async { case(&Rig::new(url, management, server)).await });
}

/// One RabbitMQ in a container for all cases, if there is a Docker engine.
fn container() -> Result<&'static (String, String), String> {
    static CONTAINER: OnceLock<Result<(String, String), String>> = OnceLock::new();
    let started = CONTAINER.get_or_init(|| {
        // Asked first: the library waits long for an engine that is not there.
        if !std::path::Path::new("/var/run/docker.sock").exists() && std::env::var_os("DOCKER_HOST").is_none()
        {
            return Err("no Docker engine is reachable".to_owned());
        }
        block_on(async {
            let image = GenericImage::new("rabbitmq", "4-management")
                .with_exposed_port(5672.tcp())
                .with_exposed_port(15672.tcp())
                .with_wait_for(WaitFor::message_on_stdout("Server startup complete"));
            let started = image.start().await.map_err(|error| format!("no container: {error}"))?;
            let port =
                async |inside: u16| started.get_host_port_ipv4(inside).await.map_err(|e| e.to_string());
            let urls = (
                format!("amqp://guest:guest@127.0.0.1:{}/%2f", port(5672).await?),
                format!("http://guest:guest@127.0.0.1:{}", port(15672).await?),
            );
            // It is for the whole process; the engine's reaper ends it after that.
            std::mem::forget(started);
            Ok(urls)
        })
    });
    started.as_ref().map_err(Clone::clone)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    LocalSet::new()
        .block_on(&runtime(), async { timeout(DEADLINE * 6, future).await.expect("the case ends in time") })
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Rig {
    fn new(url: String, management: String, server: Server) -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("contract-{}-{}", std::process::id(), CASES.fetch_add(1, Ordering::Relaxed));
        Self { url, management, prefix, dial: Arc::new(SocketDial::system_roots().unwrap()), server }
    }

    /// A name of this case's own.
    pub(super) fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.prefix)
    }

    /// The adapter under test.
    pub(super) fn adapter(&self) -> RabbitMq {
        let management = ManagementUrl::parse(&self.management).unwrap();
        RabbitMq::new(self.uri(), Some(management), self.dial.clone(), DEADLINE)
    }

    /// Where the broker is, and as whom.
    pub(super) fn uri(&self) -> AMQPUri {
        parse_amqp_url(&self.url).unwrap()
    }

    pub(super) async fn connect(&self) -> Connection {
        within(self.dial.connect_amqp(self.uri(), ConnectionProperties::default())).await
    }

    /// A connection and a channel with confirms.
    pub(super) async fn channel(&self) -> (Connection, Channel) {
        let connection = self.connect().await;
        let channel = open(&connection).await;
        (connection, channel)
    }

    /// A durable classic queue.
    pub(super) async fn queue(&self, channel: &Channel, of: &str) -> String {
        let name = self.name(of);
        declare(channel, &name, &[]).await;
        name
    }

    /// A durable queue with these arguments.
    pub(super) async fn queue_with(&self, channel: &Channel, of: &str, arguments: FieldTable) -> String {
        let name = self.name(of);
        within(channel.queue_declare(name.as_str().into(), DURABLE, arguments)).await;
        name
    }

    /// A durable exchange.
    pub(super) async fn exchange(&self, channel: &Channel, kind: ExchangeKind) -> String {
        self.exchange_with(channel, "exchange", kind, FieldTable::default()).await
    }

    /// A durable exchange with these arguments.
    pub(super) async fn exchange_with(
        &self,
        channel: &Channel,
        of: &str,
        kind: ExchangeKind,
        arguments: FieldTable,
    ) -> String {
        let name = self.name(of);
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        within(channel.exchange_declare(name.as_str().into(), kind, options, arguments)).await;
        name
    }
}

/// The result of a call that must succeed, in time.
pub(super) async fn within<T>(call: impl Future<Output = lapin::Result<T>>) -> T {
    timeout(DEADLINE, call).await.expect("the broker answers in time").expect("the broker agrees")
}

/// The error of a call that must fail, in time: its reply code.
pub(super) async fn refused<T>(call: impl Future<Output = lapin::Result<T>>) -> u16 {
    match timeout(DEADLINE, call).await.expect("the broker answers in time") {
        Ok(_) => panic!("the broker agrees"),
        Err(error) => match error.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_id(),
            other => panic!("{other:?}"),
        },
    }
}

pub(super) async fn open(connection: &Connection) -> Channel {
    let channel = within(connection.create_channel()).await;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await;
    channel
}

/// A queue that outlives a restart.
pub(super) const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

pub(super) async fn declare(channel: &Channel, name: &str, arguments: &[(&str, &str)]) {
    within(channel.queue_declare(name.into(), DURABLE, table(arguments))).await;
}

pub(super) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str, arguments: FieldTable) {
    let options = QueueBindOptions::default();
    within(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments)).await;
}

/// Publishes, persistently and mandatory; what the broker says of it.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    headers: FieldTable,
) -> Confirmation {
    let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
    send(channel, exchange, key, body, properties).await
}

/// Publishes, mandatory, with these properties; what the broker says of it.
pub(super) async fn send(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Confirmation {
    within(sending(channel, exchange, key, body, properties)).await
}

/// The same for a publish that the broker may refuse.
pub(super) async fn sending(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?.await
}

/// Takes the next message of a queue, if there is one, and acks it.
pub(super) async fn take(channel: &Channel, queue: &str) -> Option<Delivery> {
    let got = within(channel.basic_get(queue.into(), BasicGetOptions { no_ack: true })).await;
    got.map(|got| got.delivery)
}

/// Takes what a queue holds: the bodies, in order.
pub(super) async fn drain(channel: &Channel, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(delivery) = take(channel, queue).await {
        bodies.push(body(&delivery));
    }
    bodies
}

/// Takes what comes into a queue until there are so many: what the broker does by itself, it does a moment later.
pub(super) async fn arriving(channel: &Channel, queue: &str, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    let arrive = async {
        while deliveries.len() < count {
            match take(channel, queue).await {
                Some(delivery) => deliveries.push(delivery),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(DEADLINE, arrive).await.expect("they come in time");
    deliveries
}

/// Puts messages into a queue by the default exchange.
pub(super) async fn fill(channel: &Channel, queue: &str, bodies: &[&str]) {
    for body in bodies {
        let confirmation = publish(channel, "", queue, body, FieldTable::default()).await;
        assert!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
    }
}

pub(super) async fn consume(channel: &Channel, queue: &str, exclusive: bool) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions { exclusive, ..Default::default() };
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
}

pub(super) async fn prefetch(channel: &Channel, count: u16) {
    within(channel.basic_qos(count, BasicQosOptions::default())).await;
}

/// The next delivery.
pub(super) async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = timeout(DEADLINE, consumer.next()).await.expect("a delivery comes in time");
    delivery.expect("the consumer goes on").expect("the delivery is good")
}

/// The bodies of the next `count` deliveries.
pub(super) async fn bodies(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(body(&next(consumer).await));
    }
    bodies
}

pub(super) fn body(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).into_owned()
}

/// Checks that nothing more comes.
pub(super) async fn quiet(consumer: &mut Consumer) {
    if let Ok(delivery) = timeout(SILENCE, consumer.next()).await {
        panic!("{delivery:?}");
    }
}

pub(super) fn table(entries: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    table
}

/// A table with numbers, too.
pub(super) fn table_of(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

pub(super) fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

pub(super) fn string(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// How many messages are ready in a queue, and how many consume it.
pub(super) async fn counts(channel: &Channel, queue: &str) -> (u32, u32) {
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    let declared = within(channel.queue_declare(queue.into(), passive, FieldTable::default())).await;
    (declared.message_count(), declared.consumer_count())
}

/// Waits for what nobody announces.
pub(super) async fn until(holds: impl Fn() -> bool) {
    let waited = timeout(DEADLINE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("it comes to hold");
}
