use std::time::Duration;

use ms2m::api::StatefulMigrationStatus;
use serde::Serialize;

/// One measurement of how a target catches up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Since the run began.
    pub at_ms: u64,
    /// Index of the workload.
    pub workload: usize,
    /// Messages of the replay queue that the target has not read.
    pub lag: u64,
    /// Messages per second that arrive.
    pub arrival_rate: f64,
    /// Messages per second that it applies, where that is known.
    pub apply_rate: Option<f64>,
}

impl Sample {
    /// What a change of the status measured, if anything.
    pub fn of(
        workload: usize,
        at: Duration,
        old: &StatefulMigrationStatus,
        new: &StatefulMigrationStatus,
    ) -> Option<Self> {
        let samples = |status: &StatefulMigrationStatus| status.replay.as_ref().map(|replay| replay.samples);
        let replay = new.replay.as_ref().filter(|replay| replay.samples > 0)?;
        (samples(old) != samples(new)).then(|| Self {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            workload,
            lag: replay.lag,
            arrival_rate: replay.arrival_rate,
            apply_rate: replay.apply_rate,
        })
    }
}
