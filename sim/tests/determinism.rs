//! What code that asks std, libc or a crate for randomness and time gets inside a run, and outside.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests show what the disallowed sources answer inside a run"
)]

use std::{
    collections::HashSet,
    panic,
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use ms2m_app::io::{Clock as _, Entropy as _, OsEntropy, SystemClock};
use ms2m_sim::{
    determinism::{EPOCH, TraceLayer, run, take_trace, trace_hash, wall_clock},
    network::sim_builder,
    trace,
};
use tracing_subscriber::layer::SubscriberExt as _;

/// One value of every source of randomness that a dependency is known to use.
fn draw() -> Vec<String> {
    let set: HashSet<u32> = (0..32).collect();
    let mut bytes = [0; 33];
    getrandom::fill(&mut bytes).unwrap();
    vec![
        format!("{:?}", set.into_iter().collect::<Vec<_>>()),
        OsEntropy.token(),
        format!("{bytes:?}"),
        fastrand::u64(..).to_string(),
        fastrand::Rng::new().u64(..).to_string(),
    ]
}

#[test]
fn randomness_is_a_function_of_the_seed() {
    let (first, again, other) = (run(7, draw), run(7, draw), run(8, draw));
    assert_eq!(first, again);
    for (first, other) in first.iter().zip(&other) {
        assert_ne!(first, other);
    }
}

#[test]
fn randomness_outside_a_run_is_the_kernels() {
    run(7, draw);
    assert_ne!(OsEntropy.token(), OsEntropy.token());
    let inside = run(7, || OsEntropy.token());
    assert_ne!(OsEntropy.token(), inside);
}

#[test]
fn runs_beside_each_other_do_not_touch_each_other() {
    let alone: Vec<_> = (0..8).map(|seed| run(seed, draw)).collect();
    let beside: Vec<_> = (0..8).map(|seed| thread::spawn(move || run(seed, draw))).collect();
    let beside: Vec<_> = beside.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(alone, beside);
}

#[test]
fn the_clocks_follow_simulated_time() {
    let (before, after) = run(1, || {
        let (sender, receiver) = mpsc::channel();
        let mut sim = sim_builder(1).build();
        sim.client("host", async move {
            let read = || (SystemTime::now(), Instant::now(), tokio::time::Instant::now(), SystemClock.now());
            let before = read();
            tokio::time::sleep(Duration::from_mins(1)).await;
            sender.send((before, read()))?;
            Ok(())
        });
        sim.run().unwrap();
        receiver.recv().unwrap()
    });
    let minute = Duration::from_mins(1);
    assert_eq!(before.0, SystemTime::UNIX_EPOCH + EPOCH);
    assert_eq!(after.0.duration_since(before.0).unwrap(), minute);
    assert_eq!(after.1 - before.1, minute);
    assert_eq!(after.2 - before.2, minute);
    assert_eq!(after.1 - after.2.into_std(), Duration::ZERO, "std and tokio show the same instant");
    assert_eq!(before.3.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(after.3.duration_since(before.3).unsigned_abs(), minute);
}

#[test]
fn the_clocks_stand_still_between_hosts_and_never_run_back() {
    run(1, || {
        let mut sim = sim_builder(1).build();
        sim.client("host", async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            trace!("host", "now");
            Ok(())
        });
        let start = (Instant::now(), SystemTime::now());
        sim.run().unwrap();
        let end = (Instant::now(), SystemTime::now());
        assert_eq!(end, (Instant::now(), SystemTime::now()));
        assert!(end.0 >= start.0 && end.1 >= start.1 + Duration::from_secs(3), "{start:?} {end:?}");
    });
}

#[test]
fn real_time_can_be_measured_inside_a_run() {
    let (simulated, real) = run(1, || {
        let (start, real) = (Instant::now(), wall_clock());
        while wall_clock() < real + Duration::from_millis(2) {}
        (start.elapsed(), wall_clock().saturating_sub(real))
    });
    assert_eq!(simulated, Duration::ZERO);
    assert!(real >= Duration::from_millis(2));
}

#[test]
fn time_outside_a_run_goes_on() {
    let before = (Instant::now(), SystemTime::now());
    run(1, || ());
    thread::sleep(Duration::from_millis(2));
    assert!(Instant::now() >= before.0 + Duration::from_millis(2));
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + EPOCH);
}

#[test]
fn a_panic_goes_on_in_the_caller() {
    let outcome = panic::catch_unwind(|| run(1, || panic!("invariant {} is broken", fastrand::u8(3..4))));
    let message = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "invariant 3 is broken");
    assert_eq!(run(1, || 5), 5, "the next run is not affected");
}

#[test]
fn a_panic_that_was_caught_is_one_all_the_same() {
    let caught = || drop(panic::catch_unwind(|| panic!("a bug of a part that goes on")));
    let outcome = panic::catch_unwind(|| run(1, caught));
    let message = *outcome.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "something panicked, and went on");
}

#[test]
fn the_trace_has_simulated_time_and_a_stable_hash() {
    let lines = run(1, || {
        let mut sim = sim_builder(1).build();
        sim.client("host", async {
            trace!("counter-0", "starts");
            tokio::time::sleep(Duration::from_millis(61_234)).await;
            trace!(String::from("counter-0"), "applied {}", 17);
            Ok(())
        });
        sim.run().unwrap();
        take_trace()
    });
    assert_eq!(lines, ["    0.000000 counter-0    starts", "   61.234000 counter-0    applied 17"]);
    assert_eq!(trace_hash(&lines), "2ae577838cbdce97");
    assert_ne!(trace_hash(&lines[..1]), trace_hash(&lines));
}

#[test]
fn tracing_outside_a_run_is_silent() {
    trace!("host", "nobody listens");
    assert!(take_trace().is_empty());
}

#[test]
fn log_events_join_the_trace_up_to_a_level() {
    let lines = run(1, || {
        let subscriber = tracing_subscriber::registry().with(TraceLayer::new(tracing::Level::INFO));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(queue = "q", "declared");
            tracing::debug!("not this");
        });
        take_trace()
    });
    let expected = "    0.000000 log          INFO determinism message=declared queue=\"q\"";
    assert_eq!(lines, [expected]);
}
