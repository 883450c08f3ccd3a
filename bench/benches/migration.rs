//! How long a migration takes, in the simulation's virtual time: what Criterion prints is what a user would wait, and
//! how long nobody owns the queue. The servers' own times (checkpoint, push, restore) are constants of the simulation.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use ms2m_sim::{
    plan::Scenario,
    report::Verdict,
    world::{Tracing, run},
};

/// Messages per second.
const RATES: [u32; 3] = [10, 60, 120];

fn in_virtual_time(c: &mut Criterion, what: &str, measure: fn(&Verdict) -> Option<u64>) {
    let mut group = c.benchmark_group(what);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(1));
    for rate in RATES {
        let mut seed = 0;
        group.bench_with_input(
            BenchmarkId::from_parameter(format!("{rate} messages per second")),
            &rate,
            |b, rate| {
                b.iter_custom(|iterations| {
                    let taken = (0..iterations).map(|_| {
                        seed += 1;
                        let verdict = run(Scenario::new(seed).at_rate(f64::from(*rate), 3), Tracing::Off);
                        assert!(verdict.holds(), "seed {seed}: {:?}", verdict.violations);
                        Duration::from_millis(measure(&verdict).expect("the migration is complete"))
                    });
                    taken.sum()
                });
            },
        );
    }
    group.finish();
}

fn latency(c: &mut Criterion) {
    in_virtual_time(c, "migration, virtual time", |verdict| verdict.migration.total_ms);
    in_virtual_time(c, "pause, virtual time", |verdict| verdict.migration.pause_ms);
}

criterion_group!(benches, latency);
criterion_main!(benches);
