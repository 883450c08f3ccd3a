//! A simulated network with an AMQP server, and what clients do to it.

use std::{
    collections::BTreeSet,
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lapin::{ConnectionProperties, options::BasicQosOptions, uri::AMQPUri};
use ms2m_app::io::Dial as _;
use ms2m_sim::{
    network::{SimDial, serve, sim_builder},
    trace,
};
use turmoil::Sim;

use crate::handshake_server;

/// A network in which `mq` serves AMQP.
pub(crate) fn with_server(seed: u64) -> Sim<'static> {
    let mut sim = sim_builder(seed).build();
    sim.host("mq", || serve(5672, handshake_server::serve_connection));
    sim
}

pub(crate) fn uri(text: &str) -> AMQPUri {
    text.parse().unwrap()
}

pub(crate) async fn connect() -> lapin::Result<lapin::Connection> {
    SimDial.connect_amqp(uri("amqp://mq"), ConnectionProperties::default()).await
}

/// Opens `connections` at once, and talks on several channels of each with random pauses.
pub(crate) async fn talk(host: &'static str, connections: usize, rounds: u16) -> turmoil::Result {
    try_join_all((0..connections).map(|number| converse(host, number, rounds))).await?;
    Ok(())
}

async fn converse(host: &'static str, number: usize, rounds: u16) -> turmoil::Result {
    let connection = connect().await?;
    trace!(host, "connection {number} is open");
    let channels = try_join_all((0..3).map(|_| connection.create_channel())).await?;
    for round in 0..rounds {
        let channel = &channels[fastrand::usize(..channels.len())];
        channel.basic_qos(round, BasicQosOptions::default()).await?;
        trace!(host, "connection {number} round {round} on {}", channel.id());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..15))).await;
    }
    connection.close(200, "bye".into()).await?;
    trace!(host, "connection {number} is closed");
    Ok(())
}

/// The operating system's view: threads of this process that lapin has started.
pub(crate) fn io_loop_threads() -> BTreeSet<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let task = task.ok()?.path();
            let name = fs::read_to_string(task.join("comm")).ok()?;
            (name.trim() == "lapin-io-loop").then(|| task.display().to_string())
        })
        .collect()
}

/// Waits until the threads that are not in `before` have ended, which the kernel does a moment after they have
/// given back the baton for the last time.
pub(crate) fn assert_no_thread_is_left(before: &BTreeSet<String>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !io_loop_threads().is_subset(before) {
        assert!(Instant::now() < deadline, "{} threads are left", io_loop_threads().len());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether this process runs only the calling test, whose name is `test`; if not, starts one that does and expects
/// it to succeed.
#[must_use]
pub(crate) fn alone(test: &str) -> bool {
    const ALONE: &str = "MS2M_TEST_ALONE";

    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let report =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    println!("{report}");
    assert!(output.status.success(), "{test} fails alone");
    assert!(report.contains("1 passed"), "there is no test {test}");
    false
}
