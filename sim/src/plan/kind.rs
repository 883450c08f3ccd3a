use serde::{Deserialize, Serialize};

use super::Link;

/// What is true of a kind, whatever does it: a row of the list below.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the kind")]
#[derive(Clone, Copy)]
struct Nature {
    usual_ms: u64,
    repeats_outputs: bool,
    lies_in_wait: bool,
    leaves_a_gap: bool,
    strikes_everybody: bool,
}

/// It happens at an instant.
const fn at_once() -> Nature {
    Nature {
        usual_ms: 0,
        repeats_outputs: false,
        lies_in_wait: false,
        leaves_a_gap: false,
        strikes_everybody: false,
    }
}

/// It goes on for a while: so long, in milliseconds, where nothing is said, which is about as long as such a thing takes in life.
const fn lasts(usual_ms: u64) -> Nature {
    Nature { usual_ms, ..at_once() }
}

impl Nature {
    const fn repeats_outputs(self) -> Self {
        self.repeats_outputs_if(true)
    }

    const fn repeats_outputs_if(self, repeats_outputs: bool) -> Self {
        Self { repeats_outputs, ..self }
    }

    const fn lies_in_wait(self) -> Self {
        Self { lies_in_wait: true, ..self }
    }

    const fn leaves_a_gap(self) -> Self {
        Self { leaves_a_gap: true, ..self }
    }

    const fn strikes_everybody(self) -> Self {
        Self { strikes_everybody: true, ..self }
    }
}

/// Declares the kinds, the list of them, and what is said and true of each, from one row per kind: none can be forgotten in one
/// of them.
macro_rules! fault_kinds {
    (
        $($(#[doc = $doc:literal])+ $name:ident: $nature:expr,)+
        on a link: $($(#[doc = $link_doc:literal])+ $link_name:ident($link:ident): $link_nature:expr,)+
    ) => {
        /// What breaks. Where it lasts, it ends after the fault's duration; what happens at an instant has no end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $name,)+
            $($(#[doc = $link_doc])+ $link_name(Link),)+
        }

        impl FaultKind {
            const SIMPLE: &[Self] = &[$(Self::$name,)+];

            /// Every kind, on every link.
            pub fn all() -> Vec<Self> {
                let on_a_link = Link::ALL.into_iter().flat_map(|link| [$(Self::$link_name(link),)+]);
                Self::SIMPLE.iter().copied().chain(on_a_link).collect()
            }

            /// What it does, as it is told to a person.
            pub fn meaning(self) -> &'static str {
                let doc = match self {
                    $(Self::$name => concat!($($doc),+),)+
                    $(Self::$link_name(_) => concat!($($link_doc),+),)+
                };
                doc.trim().trim_end_matches('.')
            }

            fn nature(self) -> Nature {
                match self {
                    $(Self::$name => $nature,)+
                    $(Self::$link_name($link) => $link_nature,)+
                }
            }
        }
    };
}

// Another kind changes what every seed means; saved plans name theirs, and stay what they are.
fault_kinds! {
    /// The operator is killed, and started again at the end.
    CrashOperator: lasts(700),
    /// A second operator is there beside the first, as while one replaces the other, and is killed at the end.
    AnotherOperator: lasts(5_000),
    /// The operator is lost with its machine, and one on another takes over; at the end it is the other way round.
    ReplaceOperator: lasts(25_000),
    /// The API server is down; what it stored stays.
    CrashApiServer: lasts(5_000),
    /// The broker is down; what is durable stays.
    CrashBroker: lasts(700).repeats_outputs().strikes_everybody(),
    /// The publishers are killed, and started again with new identities.
    CrashTraffic: lasts(700),
    /// The kubelet of the source's node is down; its containers run on.
    CrashSourceKubelet: lasts(5_000),
    /// The kubelet of the target's node is down; its containers run on.
    CrashTargetKubelet: lasts(5_000),
    /// The source's node loses its power, and comes back at the end.
    LoseSourceNode: lasts(20_000).repeats_outputs(),
    /// The target's node loses its power, and comes back at the end.
    LoseTargetNode: lasts(20_000).repeats_outputs(),
    /// A node that is neither the source's nor the target's loses its power, and comes back at the end.
    LoseThirdNode: lasts(20_000),
    /// The source's process is killed; its pod starts a fresh one.
    KillSource: at_once().repeats_outputs(),
    /// The target's process is killed.
    KillTarget: at_once().repeats_outputs(),
    /// The operator's process stands still, as if it were stopped, or its machine; then all that it waited for is over at once.
    FreezeOperator: lasts(20_000),
    /// The source's process stands still.
    FreezeSource: lasts(20_000).repeats_outputs(),
    /// The target's process stands still.
    FreezeTarget: lasts(20_000).repeats_outputs(),

    /// Somebody deletes the source pod.
    DeleteSource: at_once().repeats_outputs(),
    /// Somebody deletes the shadow pod.
    DeleteTarget: at_once().repeats_outputs(),
    /// Somebody deletes the source pod without waiting for its end: its process goes on until its kubelet hears of it.
    ForceDeleteSource: at_once().repeats_outputs(),
    /// Somebody deletes the shadow pod without waiting for its end.
    ForceDeleteTarget: at_once().repeats_outputs(),
    /// The user deletes the migration.
    Cancel: at_once(),
    /// Somebody binds the queue to another exchange.
    ChangeBindings: at_once(),

    /// The operator's writes, its claims of the Lease included, are answered 409 Conflict.
    ApiConflicts: lasts(1_500),
    /// The operator's requests are answered 429 Too Many Requests.
    ApiTooMany: lasts(1_500),
    /// The operator's requests are answered 500.
    ApiErrors: lasts(1_500),
    /// The operator's next write is done, and the answer to it is lost; the same of its next claim of the Lease.
    LoseAcknowledgement: at_once(),
    /// The operator's next write is lost, and its next claim of the Lease.
    LoseWrite: at_once(),
    /// The operator's next write of the migration's status takes two seconds longer.
    DelayStatus: at_once(),
    /// The operator's requests take a second longer.
    DelayApi: lasts(5_000),
    /// Watches stay silent.
    StallWatches: lasts(5_000),
    /// Watches are closed.
    CloseWatches: at_once(),
    /// Watches tell their last changes once more.
    RepeatWatches: at_once(),
    /// The history is compacted and watches are closed: those that come back get 410 Gone, and have to list again.
    CompactHistory: at_once(),
    /// A second API server falls behind, and serves every watch that begins and every read that is content with a cache.
    LaggingApi: lasts(5_000),
    /// Watches are closed, and those that come back are served by an API server that is behind them.
    StaleWatch: lasts(5_000),

    /// The broker drops the operator's connection.
    DropOperator: at_once(),
    /// The broker drops the source's connection.
    DropSource: at_once().repeats_outputs(),
    /// The broker drops the target's connection.
    DropTarget: at_once().repeats_outputs(),
    /// The broker closes every channel of the operator's connection, as it does when a delivery was not acked for long.
    CloseOperatorChannels: at_once(),
    /// The broker closes every channel of the source's connection.
    CloseSourceChannels: at_once().repeats_outputs(),
    /// The broker closes every channel of the target's connection.
    CloseTargetChannels: at_once().repeats_outputs(),
    /// The broker routes, but confirms nothing.
    WithholdConfirms: lasts(5_000).repeats_outputs().strikes_everybody(),
    /// The broker has too little memory: it reads nothing more of a connection that publishes.
    BrokerMemoryAlarm: lasts(20_000).repeats_outputs().strikes_everybody(),

    /// Every control message of the last while comes once more, the latest first.
    RepeatControl: at_once(),
    /// Somebody tells the operator what no application may say.
    TalkNonsense: at_once(),
    /// A binding that is made is in force only 800 ms after it was confirmed.
    LateBindings: lasts(5_000).lies_in_wait().leaves_a_gap().strikes_everybody(),
    /// Somebody deletes the replay queue.
    DeleteReplayQueue: at_once().leaves_a_gap(),
    /// Somebody deletes the source's control queue, with the commands in it.
    DeleteSourceControl: at_once(),
    /// Somebody deletes the target's control queue, with the commands in it.
    DeleteTargetControl: at_once(),

    /// A checkpoint fails.
    FailCheckpoint: at_once().lies_in_wait(),
    /// Checkpoints fail until the end.
    FailCheckpoints: lasts(60_000).lies_in_wait(),
    /// Checkpoints take 20 s longer.
    SlowCheckpoints: lasts(5_000).lies_in_wait(),
    /// Checkpoints do not end: whoever waits for one waits as long as it may take.
    HangCheckpoints: lasts(200_000).lies_in_wait(),
    /// The nodes' disks are full: no archive can be written.
    DiskFull: lasts(60_000).lies_in_wait(),
    /// The registry answers everything with 503.
    RegistryDown: lasts(5_000).lies_in_wait(),
    /// The registry is down: nobody can connect; what it has stored stays.
    CrashRegistry: lasts(5_000).lies_in_wait(),
    /// The registry takes requests, and never answers them.
    HangRegistry: lasts(5_000).lies_in_wait(),
    /// Uploads of blobs break off in the middle, and leave nothing.
    TruncatePushes: lasts(5_000).lies_in_wait(),
    /// The registry takes blobs, and answers manifests with 500.
    RefuseManifests: lasts(5_000).lies_in_wait(),
    /// The registry takes manifests, and the connection breaks before it has said so.
    LosePushAnswers: lasts(5_000).lies_in_wait(),
    /// Transfers are killed in the middle of a push: the blobs are there, the manifest is not.
    CrashTransfers: lasts(5_000).lies_in_wait(),
    /// What a transfer Job reports is lost, though it has done its work.
    LoseReports: lasts(5_000).lies_in_wait(),
    /// No image can be pulled.
    PullsFail: lasts(5_000).lies_in_wait(),
    /// Restores fail.
    FailRestores: lasts(60_000).lies_in_wait(),
    /// Runtimes silently start the base image instead of restoring.
    RestoreFresh: lasts(60_000).lies_in_wait(),

    /// The first operator's clock jumps a minute forward, and back at the end.
    ClockAhead: lasts(5_000),
    /// The first operator's clock jumps a minute back, and forward at the end.
    ClockBehind: lasts(5_000),

    on a link:
    /// Nothing passes; what was under way arrives at the end.
    Hold(link): lasts(5_000).repeats_outputs_if(link.is_of_the_workload()),
    /// Nothing passes, and what was under way is lost.
    Partition(link): lasts(5_000).repeats_outputs_if(link.is_of_the_workload()),
    /// Nothing passes towards the second party, and what was under way to it is lost.
    PartitionTo(link): lasts(5_000).repeats_outputs_if(link.is_of_the_workload()),
    /// Nothing passes from the second party, and what was under way from it is lost.
    PartitionFrom(link): lasts(5_000).repeats_outputs_if(link.is_of_the_workload()),
    /// Every segment takes 150 ms.
    Slow(_link): lasts(5_000),
}

impl FaultKind {
    /// Every kind that is about no link.
    pub(super) fn simple() -> &'static [Self] {
        Self::SIMPLE
    }

    /// Whether it goes on for a while.
    pub fn lasts(self) -> bool {
        self.usual_ms() > 0
    }

    /// How long it lasts where nothing is said: about as long as such a thing takes in life; 0 where it is at an instant.
    pub fn usual_ms(self) -> u64 {
        self.nature().usual_ms
    }

    /// Whether a process of the workload may lose its connection, its channels, or its life by it: then it may say something again.
    pub fn may_repeat_outputs(self) -> bool {
        self.nature().repeats_outputs
    }

    /// Whether it does harm only to what begins later.
    pub fn lies_in_wait(self) -> bool {
        self.nature().lies_in_wait
    }

    /// Whether it is about every workload, not only the one whose moment it waits for.
    pub fn strikes_everybody(self) -> bool {
        self.nature().strikes_everybody
    }

    /// Whether messages may go past the replay queue by it: then a gap is no fault of the protocol's, as long as it says so.
    pub fn may_leave_a_gap(self) -> bool {
        self.nature().leaves_a_gap
    }
}
