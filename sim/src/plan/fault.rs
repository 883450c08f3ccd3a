use serde::{Deserialize, Serialize};

use super::{FaultKind, Moment, Step};

/// Something that breaks on purpose, once, in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// When it strikes.
    pub at: Moment,
    /// What it is.
    pub kind: FaultKind,
    /// How long it lasts, in milliseconds; 0 for what happens at an instant.
    #[serde(default)]
    pub lasts_ms: u64,
}

impl Fault {
    /// A fault at a step of the first migration, for as long as it usually lasts.
    pub fn new(kind: FaultKind, step: Step) -> Self {
        Self { at: Moment { workload: 0, round: 0, step, after_ms: 0 }, kind, lasts_ms: kind.usual_ms() }
    }
}
