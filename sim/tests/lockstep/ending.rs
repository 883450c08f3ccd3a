//! No thread outlives its host, whenever that crashes.

use std::time::Duration;

use lapin::ConnectionProperties;
use ms2m_app::io::Dial as _;
use ms2m_sim::{
    determinism::{client_threads, run},
    network::{SimDial, bounce, crash},
};

use crate::world::{alone, assert_no_thread_is_left, io_loop_threads, talk, uri, with_server};

/// Crashes a host that opens and uses three connections after `ticks`, and returns how many threads it had.
fn crash_after(ticks: u64) -> usize {
    run(ticks, move || {
        let mut sim = with_server(ticks);
        sim.host("client", || talk("client", 3, 100));
        for _ in 0..ticks {
            sim.step().unwrap();
        }
        let threads = client_threads();
        crash(&mut sim, "client");
        assert_eq!(client_threads(), 0, "after {ticks} ticks");
        bounce(&mut sim, "client");
        for _ in 0..20 {
            sim.step().unwrap();
        }
        assert_eq!(client_threads(), 3, "it connects again");
        threads
    })
}

#[test]
fn threads_end_when_their_host_crashes_at_any_tick() {
    let threads: Vec<_> = (1..60).map(crash_after).collect();
    assert_eq!(threads.iter().max(), Some(&3), "some crashes met open connections");
}

fn patient(properties: ConnectionProperties) -> ConnectionProperties {
    properties.configure_backoff(|backoff| backoff.with_max_times(1000))
}

#[test]
fn threads_that_wait_for_a_retry_end_when_their_host_crashes() {
    run(1, || {
        let mut sim = with_server(1);
        sim.host("client", || async {
            let properties = patient(ConnectionProperties::default());
            SimDial.connect_amqp(uri("amqp://mq:1"), properties).await?;
            Ok(())
        });
        for _ in 0..400 {
            sim.step().unwrap();
        }
        assert_eq!(client_threads(), 1);
        crash(&mut sim, "client");
        assert_eq!(client_threads(), 0);
    });
}

#[test]
fn threads_that_recover_their_connection_end_when_their_host_crashes() {
    run(1, || {
        let mut sim = with_server(1);
        sim.host("client", || async {
            let properties = patient(ConnectionProperties::default().enable_auto_recover());
            let connection = SimDial.connect_amqp(uri("amqp://mq"), properties).await?;
            std::future::pending::<()>().await;
            drop(connection);
            Ok(())
        });
        let run_for = |sim: &mut turmoil::Sim<'_>, time| {
            let end = sim.elapsed() + time;
            while sim.elapsed() < end {
                sim.step().unwrap();
            }
        };
        run_for(&mut sim, Duration::from_secs(1));
        crash(&mut sim, "mq");
        run_for(&mut sim, Duration::from_secs(3));
        assert_eq!(client_threads(), 1);
        crash(&mut sim, "client");
        assert_eq!(client_threads(), 0);
    });
}

#[test]
fn a_simulation_that_is_dropped_half_way_ends_its_threads() {
    run(1, || {
        let mut sim = with_server(1);
        sim.host("client", || talk("client", 5, 1000));
        for _ in 0..30 {
            sim.step().unwrap();
        }
        assert_eq!(client_threads(), 5);
        drop(sim);
        assert_eq!(client_threads(), 0);
    });
}

#[test]
fn a_panic_in_a_host_ends_every_thread() {
    // The threads of tests beside it would be counted too.
    if !alone("ending::a_panic_in_a_host_ends_every_thread") {
        return;
    }
    let before = io_loop_threads();
    let outcome = std::panic::catch_unwind(|| {
        run(1, || {
            let mut sim = with_server(1);
            sim.host("client", || talk("client", 5, 1000));
            sim.client("oracle", async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                panic!("an invariant is broken");
            });
            sim.run().unwrap();
        });
    });
    let message = outcome.unwrap_err().downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(message.contains("a spawned task panicked"), "{message}");
    assert_no_thread_is_left(&before);
}

#[test]
fn many_runs_in_one_process_leave_no_thread() {
    // The threads of tests beside it would be counted too.
    if !alone("ending::many_runs_in_one_process_leave_no_thread") {
        return;
    }
    let before = io_loop_threads();
    let mut most = 0;
    for seed in 0..150 {
        run(seed, move || {
            let mut sim = with_server(seed);
            sim.host("one", || talk("one", 2, 20));
            sim.host("two", || talk("two", 2, 20));
            for step in 0..60 {
                sim.step().unwrap();
                if step == 10 + seed % 30 {
                    crash(&mut sim, "one");
                    bounce(&mut sim, "one");
                }
            }
        });
        most = most.max(io_loop_threads().len());
    }
    println!("900 connections; at most {most} threads at the end of a run");
    assert!(most < 50, "{most} threads");
    assert_no_thread_is_left(&before);
}
