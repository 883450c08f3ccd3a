use serde::{Deserialize, Serialize};

use crate::Ledger;

/// What the operator tells an application, as JSON in the pod's [control queue](super::control_queue).
///
/// Idempotent; ignored and counted when its epoch or session is stale. Within an epoch `SYNC < STOP < RESUME`: a
/// late duplicate of an earlier one does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// [`CONTRACT_VERSION`](super::CONTRACT_VERSION) of the sender.
    pub version: u32,
    /// UID of the `StatefulMigration`.
    pub migration: String,
    /// The migration's epoch: larger than every epoch that the source has seen.
    pub epoch: u64,
    /// What is asked.
    #[serde(flatten)]
    pub body: CommandBody,
}

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum CommandBody {
    /// To a pod: who are you? Answered `PROBED`. Changes nothing, and carries the epoch it asks about.
    Probe,
    /// To the target: read the replay queue from its start. Answered `REPLAY_STARTED`.
    StartReplay {
        /// The session that the target drew and said in `HELLO`.
        session: String,
        /// Name of the replay queue `R`.
        replay_queue: String,
    },
    /// To the source: finish the message in hand, confirm its output, ack, close the channel on `Q`. Answered
    /// `STOPPED`. Stays unacked in the control queue until `RESUME`, so that a fresh process finds it too.
    Stop,
    /// To the source: own `Q` again. Answered `RESUMED` once the consumer slot is granted.
    Resume,
    /// To the target: this is what complete means. The last one counts. Answered `DRAINED` or `GAP` once the
    /// `END` marker of the same session has been read.
    EndReplay {
        /// The session it is for.
        session: String,
        /// The source's ledger when it stopped; absent when nobody knows it.
        ledger: Option<Ledger>,
    },
    /// To the target, after the point of no return: own `Q`. Answered `SWITCHED`.
    TakeOver {
        /// The session it is for.
        session: String,
    },
}

/// A control message that travels in message order through `Q` (`SYNC`) or `R` (`END`), recognised by
/// [`HEADER_CONTROL`](super::HEADER_CONTROL) = `1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Marker {
    /// In `Q`: everything before this is processed by whoever answers `SYNCED`. The nonce is stored in RAM.
    Sync {
        /// Contract version of the sender.
        version: u32,
        /// UID of the `StatefulMigration`.
        migration: String,
        /// The migration's epoch.
        epoch: u64,
        /// Random value of this epoch: proves later that this RAM is that RAM.
        nonce: String,
        /// UID of the pod that is asked; a process that is not it must not answer.
        source: String,
    },
    /// In `R`: everything that the replay needs stands before this.
    End {
        /// Contract version of the sender.
        version: u32,
        /// UID of the `StatefulMigration`.
        migration: String,
        /// The migration's epoch.
        epoch: u64,
        /// The target's session that it is for.
        session: String,
        /// Which `END` of this session it is, from 1. Each is answered `DRAINED` or `GAP` with the same number, so
        /// that the operator can ask again after a pause, and once more before it deletes `R`.
        round: u32,
    },
}
