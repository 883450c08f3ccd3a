use std::time::{Duration, SystemTime};

use turmoil::Builder;

use crate::determinism::EPOCH;

/// The least that a message takes.
pub const LATENCY_MIN: Duration = Duration::from_micros(200);

/// A network like that of one data centre, deterministic by `seed`; every setting can still be changed.
///
/// - A tick is 5 ms: idle time is what a run costs, and a hop takes at least a tick. Choose 1 ms to measure pauses.
/// - A message takes 0.2 to 2 ms, so that messages of different senders overtake each other.
/// - The hosts of one tick run in random order.
/// - A run may last an hour of simulated time.
///
/// Leave `fail_rate` alone: turmoil's TCP does not send again, so that a lost segment is a dead connection.
pub fn sim_builder(seed: u64) -> Builder {
    let mut builder = Builder::new();
    builder
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH + EPOCH)
        .simulation_duration(Duration::from_hours(1))
        .tick_duration(Duration::from_millis(5))
        .min_message_latency(LATENCY_MIN)
        .max_message_latency(Duration::from_millis(2))
        // Counts segments, not bytes, and an accept queue that exceeds it is a panic.
        .tcp_capacity(4096)
        .enable_random_order();
    builder
}
