use serde::{Deserialize, Serialize};

use crate::Ledger;

/// What an application answers, as JSON in the migration's [replies queue](super::replies_queue).
///
/// The operator acks it only after its effect is in the object's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// [`CONTRACT_VERSION`](super::CONTRACT_VERSION) of the sender.
    pub version: u32,
    /// UID of the `StatefulMigration`.
    pub migration: String,
    /// The epoch that is answered.
    pub epoch: u64,
    /// UID of the pod that the sender runs in, read from the mounted identity file at its last connect.
    pub pod_uid: String,
    /// The answer.
    #[serde(flatten)]
    pub body: ReplyBody,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum ReplyBody {
    /// Answer to `PROBE`.
    Probed {
        /// The largest epoch that this process has seen; 0 when it never took part.
        last_epoch: u64,
        /// The nonce in this process's RAM, when it has one of `migration`.
        nonce: Option<String>,
        /// Whether this process owns `Q` at this moment.
        owner: bool,
        /// The name of `Q` as this process knows it: of two queues that are mistaken for each other, one is another
        /// application's. Whoever does not say it is not migrated.
        #[serde(default)]
        queue: Option<String>,
        /// False when messages carry only a `message-id`: gaps cannot be detected then.
        sequenced: bool,
    },
    /// Answer to the `SYNC` marker: everything before it is applied and acked.
    Synced {
        /// The marker's nonce, now in RAM.
        nonce: String,
        /// What the state contains.
        ledger: Ledger,
    },
    /// Said by a process that finds that it is a copy. Published mandatory: unroutable means that nobody waits
    /// for it, and the process exits.
    Hello {
        /// Drawn anew at each connection, from the operating system.
        session: String,
        /// The nonce in RAM; absent in a fresh start.
        nonce: Option<String>,
        /// What the state contains.
        ledger: Ledger,
    },
    /// Answer to `START_REPLAY`.
    ReplayStarted {
        /// The sender's session.
        session: String,
    },
    /// Said about every 200 ms while replaying.
    Progress {
        /// The sender's session.
        session: String,
        /// Messages read from `R` in this session, markers not counted.
        read: u64,
        /// Of those: applied for the first time, dead letters included, which take as long.
        applied: u64,
        /// Of those: skipped, because the ledger held them.
        skipped: u64,
        /// Held back, because a predecessor is missing.
        held: u64,
    },
    /// Answer to `STOP`: nothing is applied, emitted or acked by this process any more.
    Stopped {
        /// The nonce in RAM; absent when this is a fresh process, whose ledger says nothing about the old one's.
        nonce: Option<String>,
        /// What the state contains.
        ledger: Ledger,
    },
    /// Answer to `RESUME`: the consumer slot of `Q` is granted again.
    Resumed {
        /// The nonce in RAM.
        nonce: Option<String>,
    },
    /// `END` was read, and the ledger contains what `END_REPLAY` said.
    Drained {
        /// The sender's session.
        session: String,
        /// The `END` marker's round.
        round: u32,
        /// What the state contains.
        ledger: Ledger,
    },
    /// `END` was read, and messages of the source's ledger are missing.
    Gap {
        /// The sender's session.
        session: String,
        /// The `END` marker's round.
        round: u32,
        /// What is missing, at most 100 ranges.
        missing: Vec<MissingMessages>,
    },
    /// Answer to `TAKE_OVER`: the consumer slot of `Q` is granted.
    Switched {
        /// The sender's session.
        session: String,
        /// What the state contains.
        ledger: Ledger,
    },
    /// Something that the operator should show to a person.
    Error {
        /// A stable word, such as `MalformedControlMessage`.
        reason: String,
        /// A sentence.
        message: String,
    },
}

/// A run of messages of one producer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingMessages {
    /// The producer.
    pub producer: String,
    /// First missing sequence.
    pub first: u64,
    /// Last missing sequence, inclusive.
    pub last: u64,
}
