use std::collections::BTreeMap;

use ms2m::api::{Phase, StatefulMigrationStatus};
use serde::Serialize;

/// What the status of a migration says about how it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MigrationReport {
    /// Where it ended, or stands.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// How long no pod owned the queue.
    pub pause_ms: Option<u64>,
    /// From the start to the end.
    pub total_ms: Option<u64>,
    /// How long each phase took, in the order of the phases.
    pub phase_ms: BTreeMap<Phase, u64>,
    /// The migrations of the same workload before it, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<MigrationReport>,
}

impl From<&StatefulMigrationStatus> for MigrationReport {
    fn from(status: &StatefulMigrationStatus) -> Self {
        let mut phase_ms = BTreeMap::new();
        for pair in status.phase_transitions.windows(2) {
            if let [entered, left] = pair {
                let ms = left.at.duration_since(entered.at).as_millis();
                phase_ms.insert(entered.phase, u64::try_from(ms).unwrap_or_default());
            }
        }
        let outcome = status.outcome.as_ref();
        Self {
            outcome: format!("{:?}", status.phase),
            reason: outcome.map(|outcome| outcome.reason.clone()).unwrap_or_default(),
            message: outcome.map(|outcome| outcome.message.clone()).unwrap_or_default(),
            pause_ms: status.pause.map(ms2m::api::Span::as_millis),
            total_ms: outcome.map(|outcome| outcome.total.as_millis()),
            phase_ms,
            earlier: Vec::new(),
        }
    }
}
