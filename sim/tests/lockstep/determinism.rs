//! Connections of several hosts are a function of the seed, crashes included.

use std::{process::Command, thread, time::Duration};

use ms2m_sim::{
    determinism::{TraceLayer, run, take_trace, trace_hash},
    network::{Delivery, bounce, crash},
};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::world::{alone, talk, with_server};

/// Three hosts with several connections each; one crashes and comes back.
fn trace_of(seed: u64, log: Option<Level>) -> Vec<String> {
    let body = move || {
        Delivery::Fragmented.select();
        let mut sim = with_server(seed);
        sim.client("one", talk("one", 4, 30));
        sim.client("two", talk("two", 1, 60));
        sim.host("three", || talk("three", 2, 40));
        let crash_at = Duration::from_millis(fastrand::u64(20..300));
        while sim.elapsed() < crash_at {
            sim.step().unwrap();
        }
        crash(&mut sim, "three");
        sim.step().unwrap();
        bounce(&mut sim, "three");
        sim.run().unwrap();
        take_trace()
    };
    run(seed, move || match log {
        None => body(),
        Some(level) => {
            let subscriber = tracing_subscriber::registry().with(TraceLayer::new(level));
            tracing::subscriber::with_default(subscriber, body)
        }
    })
}

#[track_caller]
fn assert_same(seed: u64, first: &[String], second: &[String]) {
    let differs = first.iter().zip(second).position(|(first, second)| first != second);
    if let Some(line) = differs {
        panic!("seed {seed}, line {line}:\n  {}\n  {}", first[line], second[line]);
    }
    assert_eq!(first.len(), second.len(), "seed {seed}: one trace goes on");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let first = trace_of(seed, None);
        assert!(first.len() > 200, "{} lines", first.len());
        assert_same(seed, &first, &trace_of(seed, None));
        hashes.insert(trace_hash(&first));
    }
    assert_eq!(hashes.len(), 20, "different seeds give different runs");
}

#[test]
fn runs_beside_each_other_do_not_touch_each_other() {
    let alone: Vec<_> = (0..4).map(|seed| trace_of(seed, None)).collect();
    let beside: Vec<_> = (0..12).map(|number| thread::spawn(move || trace_of(number % 4, None))).collect();
    for (number, trace) in beside.into_iter().enumerate() {
        let seed = number % 4;
        assert_same(seed as u64, &alone[seed], &trace.join().unwrap());
    }
}

#[test]
fn the_same_seed_gives_the_same_log_down_to_packets_and_client_threads() {
    // `tracing` may lose events of a new subscriber while another thread meets a call site for the first time.
    if !alone("determinism::the_same_seed_gives_the_same_log_down_to_packets_and_client_threads") {
        return;
    }
    for seed in 0..3 {
        let first = trace_of(seed, Some(Level::TRACE));
        assert!(first.iter().any(|line| line.contains("lapin::io_loop")), "client threads log too");
        assert!(first.iter().any(|line| line.contains("turmoil")), "packets are logged");
        assert_same(seed, &first, &trace_of(seed, Some(Level::TRACE)));
    }
}

/// Set in a process that prints hashes for its parent.
const CHILD: &str = "MS2M_TEST_PRINT_HASHES";

fn hashes_in_another_process(seeds: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "determinism::print_hashes", "--nocapture"])
        .env(CHILD, seeds)
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect()
}

#[test]
fn print_hashes() {
    let Ok(seeds) = std::env::var(CHILD) else { return };
    for seed in seeds.split(' ').map(|seed| seed.parse().unwrap()) {
        println!("\nseed {seed} {}", trace_hash(&trace_of(seed, None)));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process_and_in_another_order() {
    let together = hashes_in_another_process("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    assert_eq!(together.len(), 20);
    let reverse = hashes_in_another_process("19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0");
    assert_eq!(together, reverse.into_iter().rev().collect::<Vec<_>>());
    for seed in [0, 7, 13] {
        assert_eq!(hashes_in_another_process(&seed.to_string()), [together[seed].clone()]);
    }
}
