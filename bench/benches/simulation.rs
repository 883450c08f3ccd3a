//! Simulated runs per second: what a sweep costs on one core.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ms2m_sim::{
    plan::Scenario,
    world::{Tracing, run},
};

fn whole_run(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulation");
    group.sample_size(10).throughput(Throughput::Elements(1));
    let mut seed = 0;
    group.bench_function("default scenario", |b| {
        b.iter(|| {
            seed += 1;
            let verdict = run(Scenario::new(seed), Tracing::Off);
            assert!(verdict.holds(), "seed {seed}: {:?}", verdict.violations);
        });
    });
    group.finish();
}

criterion_group!(benches, whole_run);
criterion_main!(benches);
