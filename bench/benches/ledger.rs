//! Ledger operations per second: what every applied message pays.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ms2m_app::{Ledger, contract::MessageId};

const MESSAGES: u64 = 10_000;

fn ids(producers: u64) -> Vec<MessageId> {
    (0..MESSAGES)
        .map(|n| MessageId { producer: format!("producer-{}", n % producers), seq: n / producers + 1 })
        .collect()
}

fn filled(ids: &[MessageId]) -> Ledger {
    let mut ledger = Ledger::default();
    for id in ids {
        ledger.insert(id);
    }
    ledger
}

fn ledger(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger");
    for producers in [1, 10, 100] {
        let ids = ids(producers);
        group.throughput(Throughput::Elements(MESSAGES));
        group.bench_function(format!("standing and insert, {producers} producers"), |b| {
            b.iter_batched(
                Ledger::default,
                |mut ledger| {
                    for id in &ids {
                        black_box(ledger.standing(id));
                        ledger.insert(id);
                    }
                    ledger
                },
                BatchSize::SmallInput,
            );
        });
        let (ours, theirs) = (filled(&ids), filled(&ids[..ids.len() / 2]));
        // Costs by producers and gaps, not by messages.
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("contains_all, {producers} producers"), |b| {
            b.iter(|| black_box(ours.contains_all(&theirs)));
        });
    }
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);
