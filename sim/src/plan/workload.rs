use std::{ops::RangeInclusive, time::Duration};

use ms2m::api::OnDeadline;
use serde::{Deserialize, Serialize};

use super::{Shape, Wording};

/// A pod with its queue and its publishers, and how it is migrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Index of the node that it runs on.
    pub source: usize,
    /// Index of the node that it is moved to.
    pub target: usize,
    /// Messages per second, of all producers together.
    pub rate: f64,
    /// How many producers publish.
    pub producers: u32,
    /// How long the application works on one message, in microseconds.
    pub work_us: u64,
    /// How many messages may be delivered ahead.
    pub prefetch: u16,
    /// How many bytes a message's body is longer than it must be.
    #[serde(default)]
    pub padding: usize,
    /// How long after the first its migration is asked for, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// How many times it is migrated, one after the other: there, back, and so on.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub rounds: u32,
    /// How long after its only migration somebody asks for another one of the same pod, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hurry_ms: Option<u64>,
    /// What looks after its pod, where that is no bare one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// How long its pod tolerates that its node is lost, in seconds; five minutes where nothing is said, as in every cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_s: Option<u32>,
    /// Its queue, and how messages get into it.
    #[serde(default, skip_serializing_if = "Shape::is_usual")]
    pub shape: Shape,
    /// How its migration is asked for.
    #[serde(default, skip_serializing_if = "Wording::is_usual")]
    pub wording: Wording,
    /// What the migration's spec says.
    #[serde(default)]
    pub knobs: Knobs,
}

/// What makes a pod anew when it is gone. The operator moves no such pod: its owner would do it, too, and without the RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// The next pod has the same name.
    StatefulSet,
    /// The next pod has another name, and there is a `ReplicaSet` in between.
    Deployment,
}

/// How often a workload may be migrated: the shadow's name grows with each.
const ROUNDS_MAX: u32 = 4;

/// The creation of an object is known to the second: which of two is the older is clear only where they are further apart.
pub const SECOND_MS: u64 = 1_000;

/// Who asks later than this is in no hurry.
const HURRY_MS: RangeInclusive<u64> = 0..=60_000;

/// A day: longer than any phase takes.
const DEADLINE_MS_MAX: u64 = 86_400_000;

fn once() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_once(rounds: &u32) -> bool {
    *rounds == 1
}

/// Settings of a migration, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Knobs {
    /// `replay.maxPause`.
    pub max_pause: u64,
    /// `replay.deadline`.
    pub replay: u64,
    /// `replay.onDeadline`.
    pub on_deadline: OnDeadline,
    /// `replay.settle`.
    pub settle: u64,
    /// `deadlines.pending`.
    pub pending: u64,
    /// `deadlines.mirroring`.
    pub mirroring: u64,
    /// `deadlines.checkpointing`.
    pub checkpointing: u64,
    /// `deadlines.transferring`.
    pub transferring: u64,
    /// `deadlines.restoring`.
    pub restoring: u64,
    /// `deadlines.switchingOver`.
    pub switching_over: u64,
    /// `attempts.checkpoints`.
    pub checkpoints: u32,
    /// `attempts.shadows`.
    pub shadows: u32,
    /// `retainCheckpoint`.
    pub retain_checkpoint: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            max_pause: 1_000,
            replay: 120_000,
            on_deadline: OnDeadline::Cutoff,
            settle: 500,
            pending: 30_000,
            mirroring: 60_000,
            checkpointing: 60_000,
            transferring: 60_000,
            restoring: 60_000,
            switching_over: 60_000,
            checkpoints: 5,
            shadows: 3,
            retain_checkpoint: false,
        }
    }
}

impl Knobs {
    /// How long all phases together may take.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.phases().iter().sum())
    }

    /// How long each phase may take, in milliseconds.
    fn phases(&self) -> [u64; 7] {
        [
            self.pending,
            self.mirroring,
            self.checkpointing,
            self.transferring,
            self.restoring,
            self.replay,
            self.switching_over,
        ]
    }
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            source: 0,
            target: 1,
            rate: 10.0,
            producers: 3,
            work_us: 4_000,
            prefetch: 16,
            padding: 0,
            delay_ms: 0,
            rounds: 1,
            hurry_ms: None,
            owner: None,
            toleration_s: None,
            shape: Shape::default(),
            wording: Wording::default(),
            knobs: Knobs::default(),
        }
    }
}

impl Workload {
    pub(super) fn check(&self, nodes: usize) -> Result<(), String> {
        if self.source == self.target || self.source >= nodes || self.target >= nodes {
            return Err(format!(
                "it cannot move from node {} to node {} of {nodes}",
                self.source, self.target
            ));
        }
        if !(0.1..=10_000.0).contains(&self.rate) || !(1..=100).contains(&self.producers) {
            return Err("the rate must be 0.1 to 10000 messages per second, of 1 to 100 producers".to_owned());
        }
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return Err(format!("{} rounds: there must be 1 to {ROUNDS_MAX}", self.rounds));
        }
        if let Some(hurry_ms) = self.hurry_ms {
            if !HURRY_MS.contains(&hurry_ms) {
                let (least, most) = HURRY_MS.into_inner();
                return Err(format!("a hurry of {hurry_ms} ms: it must be {least} to {most}"));
            }
            if self.rounds != 1 || self.owner.is_some() {
                return Err("a hurry is for a bare pod that is moved once".to_owned());
            }
        }
        if self.knobs.phases().into_iter().any(|phase_ms| phase_ms > DEADLINE_MS_MAX) {
            return Err(format!("a phase may take at most {DEADLINE_MS_MAX} ms"));
        }
        if self.padding > 1 << 20 {
            return Err("padding must be at most a mebibyte".to_owned());
        }
        Ok(())
    }
}
