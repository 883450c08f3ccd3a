//! Connections that do not come about, or break.

use std::time::Duration;

use lapin::{ConnectionProperties, options::BasicQosOptions};
use ms2m_app::io::Dial as _;
use ms2m_sim::{
    determinism::{client_threads, run, take_trace},
    network::{SimDial, bounce, crash, serve, sim_builder},
    trace,
};

use crate::{
    handshake_server::{HEARTBEAT_SECS, serve_connection},
    world::{connect, uri, with_server},
};

/// Runs `client` on a host of its own against a server.
fn with_client<F: Future<Output = turmoil::Result> + 'static>(client: impl FnOnce() -> F + Send + 'static) {
    run(1, move || {
        let mut sim = with_server(1);
        sim.client("client", client());
        sim.run().unwrap();
    });
}

/// Waits until the run has no client thread.
async fn threads_end() {
    while client_threads() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_connection_opens_and_closes() {
    with_client(|| async {
        let connection = connect().await?;
        assert_eq!(client_threads(), 1);
        assert_eq!(connection.configuration().heartbeat(), HEARTBEAT_SECS);
        connection.create_channel().await?.close(200, "done".into()).await?;
        connection.close(200, "bye".into()).await?;
        threads_end().await;
        Ok(())
    });
}

#[test]
fn a_dropped_connection_is_closed_as_lapin_promises() {
    with_client(|| async {
        drop(connect().await?);
        threads_end().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(take_trace().last().unwrap().ends_with("closed by the client"));
        Ok(())
    });
}

#[test]
fn what_cannot_be_reached_is_an_error_with_its_reason() {
    with_client(|| async {
        let cases = [
            ("amqp://mq:5673", std::io::ErrorKind::ConnectionRefused),
            ("amqp://nowhere", std::io::ErrorKind::NotFound),
            ("amqps://mq", std::io::ErrorKind::Unsupported),
        ];
        for (address, kind) in cases {
            let error =
                SimDial.connect_amqp(uri(address), ConnectionProperties::default()).await.unwrap_err();
            let lapin::ErrorKind::IOError(error) = error.kind() else { panic!("{address}: {error}") };
            assert_eq!(error.kind(), kind, "{address}: {error}");
            threads_end().await;
        }
        Ok(())
    });
}

#[test]
fn a_connect_cancelled_at_any_moment_leaves_nothing_behind() {
    for millis in 0..60 {
        with_client(move || async move {
            let cancelled = tokio::time::timeout(Duration::from_millis(millis), connect()).await;
            let connected = cancelled.is_ok();
            drop(cancelled);
            threads_end().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let end = take_trace();
            assert!(connected || millis < 55, "the handshake takes less than {millis} ms");
            assert_eq!(end.len(), 1, "after {millis} ms: {end:?}");
            assert!(end[0].ends_with("closed by the client"), "after {millis} ms: {end:?}");
            Ok(())
        });
    }
}

#[test]
fn a_connect_to_a_crashed_host_hangs_until_it_is_given_up() {
    run(1, || {
        let mut sim = with_server(1);
        sim.host("client", || async {
            let gave_up = tokio::time::timeout(Duration::from_secs(3), connect()).await;
            trace!("client", "{}", if gave_up.is_err() { "gave up" } else { "got an answer" });
            std::future::pending().await
        });
        crash(&mut sim, "mq");
        for _ in 0..1000 {
            sim.step().unwrap();
        }
        assert_eq!(take_trace(), ["    3.000000 client       gave up"]);
        assert_eq!(client_threads(), 1, "lapin goes on trying, as it would on a real machine");
        crash(&mut sim, "client");
        assert_eq!(client_threads(), 0);
    });
}

#[test]
fn a_server_that_crashes_breaks_the_connection() {
    run(1, || {
        let mut sim = with_server(1);
        sim.client("client", async {
            let connection = connect().await?;
            let channel = connection.create_channel().await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let error = channel.basic_qos(1, BasicQosOptions::default()).await.unwrap_err();
            trace!("client", "{}", connection.status().connected());
            threads_end().await;
            assert!(!error.to_string().is_empty());
            Ok(())
        });
        while sim.elapsed() < Duration::from_secs(1) {
            sim.step().unwrap();
        }
        crash(&mut sim, "mq");
        sim.run().unwrap();
        assert!(take_trace().last().unwrap().ends_with("false"));
    });
}

#[test]
fn an_idle_connection_lives_by_its_heartbeats() {
    with_client(|| async {
        let connection = connect().await?;
        tokio::time::sleep(Duration::from_mins(10)).await;
        connection.create_channel().await?;
        Ok(())
    });
}

#[test]
fn a_partition_is_noticed_after_two_heartbeats() {
    with_client(|| async {
        let connection = connect().await?;
        let start = tokio::time::Instant::now();
        turmoil::partition("client", "mq");
        while connection.status().connected() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let secs = start.elapsed().as_secs();
        assert!((20..=25).contains(&secs), "{secs} s");
        threads_end().await;
        Ok(())
    });
}

#[test]
fn retries_pause_in_simulated_time() {
    run(1, || {
        let mut sim = sim_builder(1).build();
        sim.host("mq", || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            serve(5672, serve_connection).await
        });
        sim.client("client", async {
            let properties = retrying(ConnectionProperties::default());
            let connection = SimDial.connect_amqp(uri("amqp://mq"), properties).await?;
            let secs = turmoil::sim_elapsed().unwrap().as_secs_f64();
            assert!((2.0..5.0).contains(&secs), "{secs} s");
            connection.close(200, "bye".into()).await?;
            Ok(())
        });
        sim.run().unwrap();
    });
}

#[test]
fn automatic_recovery_pauses_in_simulated_time() {
    run(1, || {
        let mut sim = with_server(1);
        sim.client("client", async {
            let properties = retrying(ConnectionProperties::default().enable_auto_recover());
            let connection = SimDial.connect_amqp(uri("amqp://mq"), properties).await?;
            tokio::time::sleep(Duration::from_secs(8)).await;
            connection.create_channel().await?;
            Ok(())
        });
        let run_until = |sim: &mut turmoil::Sim<'_>, secs| {
            while sim.elapsed() < Duration::from_secs(secs) {
                sim.step().unwrap();
            }
        };
        run_until(&mut sim, 1);
        crash(&mut sim, "mq");
        run_until(&mut sim, 3);
        bounce(&mut sim, "mq");
        sim.run().unwrap();
    });
}

fn retrying(properties: ConnectionProperties) -> ConnectionProperties {
    properties.configure_backoff(|backoff| {
        backoff
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(20)
            .with_jitter()
    })
}
