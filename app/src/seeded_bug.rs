//! Bugs that can be built in on purpose, to see whether the simulation finds them: the test of the tests.
//!
//! Without the feature `seeded-bugs`, which only the simulator's second build has, [`is`] is the constant `false`, and
//! nothing of this is left in a program.

use std::fmt;

macro_rules! seeded_bugs {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What can be built in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
        pub enum SeededBug {
            $($(#[doc = $doc])+ $name,)+
        }

        impl SeededBug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What is wrong with it.
            pub const fn story(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc,)+),)+
                }
            }
        }
    };
}

seeded_bugs! {
    /// The application applies a message again that its ledger contains.
    SkipDedup,
    /// The application applies a message though its predecessor is missing.
    ApplyAhead,
    /// A target emits outputs while it replays.
    ReleaseOutputsEarly,
    /// A target drops every held output when it has drained.
    DropHeldOutputs,
    /// An output is published without waiting for its confirm.
    FireAndForget,
    /// STOP is answered while the queue is still consumed.
    StopGoesOn,
    /// STOPPED is said before outputs that a lost connection left unconfirmed are emitted.
    StoppedOwingOutputs,
    /// A restored copy believes that it is the pod that its RAM names.
    CopyBelievesItself,
    /// A command of an older epoch is obeyed.
    AcceptStaleEpoch,
    /// SYNC is answered before what stands before it is processed.
    SyncedEarly,
    /// A copy keeps what its original had prefetched.
    KeepPrefetch,
    /// A target reads the replay queue from its end.
    ReplayFromEnd,
    /// A target says DRAINED though messages are missing, and the operator believes it.
    DrainedWithGap,
    /// A target takes a producer's later message for its first, because the first went past the replay queue.
    TakeMiddleForBeginning,
    /// RESUME is answered, and nothing is consumed.
    ResumeSleeps,
    /// A publisher gives a message that was not confirmed another sequence.
    PublisherSkips,

    /// The operator takes a HELLO without the nonce for a restored process.
    RunningIsRestored,
    /// The operator binds the replay queue when the checkpoint is there, not before the sync point.
    BindAfterCheckpoint,
    /// The point of no return is passed when END is sent.
    HandOverUndrained,
    /// A source that was told to stop is taken for stopped.
    NoFence,
    /// An operator that was away takes what it has not heard for silence.
    TakeAbsenceForSilence,
    /// After an image exists the operator rolls back to a source that was not asked for its nonce.
    RollBackUnproven,
    /// Rolling back forgets to say RESUME.
    ForgetResume,
    /// Rolling back leaves the replay queue bound.
    LeaveReplayBound,
    /// The source is removed at the cutoff, before the target has drained.
    RemoveSourceEarly,
    /// The replay queue is deleted when the source has stopped, before the target has drained.
    DeleteReplayEarly,
    /// Archive and image are left over.
    LeaveCheckpoint,
    /// Cleaning up deletes the control queues of everybody whose pod is moved, not only its own.
    CleanUpEverybody,
    /// The control queues of replaced shadows are left over.
    ForgetRetired,
    /// Services are not routed.
    SkipRouting,
    /// The finalizer stays.
    KeepFinalizer,
    /// The finalizer goes when the object is deleted, with everything of the migration still there.
    ReleaseEarly,
    /// The operator hands over only when the lag has no prediction left to wait for: never.
    NeverHandOver,
    /// A migration that is over is looked at again and again.
    NeverSilent,
    /// A status that lost its compare-and-swap is taken for written.
    IgnoreConflict,
    /// A shadow that ended is not replaced.
    AbandonShadow,
    /// The label of the source stays after a roll-back.
    ForgetUnlabel,
    /// An operator works though another holds the Lease.
    WorkUnelected,
    /// An operator that has lost the Lease works on.
    KeepLostLease,
    /// A migration begins though another one has its pod in hand.
    IgnoreRivals,
    /// A session that another process began goes on as if it were the old one.
    KeepOldSession,

    /// All migrations of a broker share one channel: what closes it for one closes it for all.
    ShareChannel,
    /// A queue that cannot be asked about is taken for one that is not there.
    UnansweredIsAbsent,
    /// A channel that is lost is used further, and never opened again.
    KeepLostChannel,

    /// A clean-up that could not delete the image says that there was none.
    ForgetImage,
    /// Checkpoints are deleted while one may be under way whose answer nobody heard.
    CleanUpUnheard,
}

impl fmt::Display for SeededBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// Environment variable that names the one that is built in.
pub const CHOSEN: &str = "MS2M_SEEDED_BUG";

/// Why the one that [`CHOSEN`] names cannot be had: a run without it would pass for one with it.
pub fn not_to_be_had() -> Option<String> {
    let name = std::env::var(CHOSEN).ok().filter(|name| !name.is_empty())?;
    if cfg!(not(feature = "seeded-bugs")) {
        return Some(format!(
            "{CHOSEN} is set, and this build has no seeded bugs: it wants feature seeded-bugs"
        ));
    }
    let is_known = SeededBug::ALL.iter().any(|known| known.to_string() == name);
    (!is_known).then(|| format!("{CHOSEN}: there is no bug {name}; app/src/seeded_bug.rs lists them"))
}

/// Whether it is built in.
#[cfg(not(feature = "seeded-bugs"))]
#[inline]
pub const fn is(_: SeededBug) -> bool {
    false
}

/// Whether it is built in.
#[cfg(feature = "seeded-bugs")]
pub fn is(bug: SeededBug) -> bool {
    use std::sync::OnceLock;

    static NAME: OnceLock<Option<SeededBug>> = OnceLock::new();
    let chosen = NAME.get_or_init(|| {
        let name = std::env::var(CHOSEN).ok()?;
        SeededBug::ALL.iter().copied().find(|known| known.to_string() == name)
    });
    *chosen == Some(bug)
}
