//! The reference: what has happened to a migration from outside, and so what may happen next and what it may come to.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::Union};
use proptest_state_machine::ReferenceStateMachine;

use super::{
    course::{Course, turns_until},
    meddling::{Fate, Meddling, Step, again, lie, quiet, turn},
};
use crate::{
    api::{OnDeadline, Phase, StatefulMigrationSpec, reason},
    protocol::tests::script::spec,
};

/// What happens next.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// The operator looks, decides, writes and acts; then the world moves, and time passes.
    Turn(Step),
    /// Something is done to the world by somebody else.
    Meddling(Meddling),
}

/// What has become of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Runs,
    Ended,
    Gone,
}

/// What went wrong at some time; all that a migration may be given up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    BindingsChanged,
    Cancelled,
    CheckpointsFailed,
    /// An effect failed, and may be tried again.
    EffectFailed,
    /// An effect failed for good.
    EffectRefused,
    /// Somebody said something that need not be true.
    Lied,
    ReplayLost,
    RestoredFresh,
    ShadowLost,
    /// Nobody has the source's RAM any more, but for its checkpoint.
    SourceLost,
    TargetLacked,
    TransferFailed,
}

/// What happened so far.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    retain_checkpoint: bool,
    on_deadline: OnDeadline,
    /// How many turns nothing goes wrong in, so that it does late as often as early.
    quiet: u32,
    /// Whether anybody may say what is not, or is no longer, true.
    lies: bool,
    pub(super) turns: u32,
    now_ms: i64,
    pub(super) course: Course,
    /// Something happened since the last turn that the course does not know.
    disturbed: bool,
    source: Source,
    mute: bool,
    restores_fresh: bool,
    target_lacks: bool,
    target_is_hasty: bool,
    troubles: BTreeSet<Trouble>,
}

impl Outside {
    pub(super) fn spec(&self) -> StatefulMigrationSpec {
        let mut spec = StatefulMigrationSpec { retain_checkpoint: self.retain_checkpoint, ..spec() };
        spec.replay.on_deadline = self.on_deadline;
        spec
    }

    pub(super) fn saw(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }

    /// Whether something happened that a migration may be given up for with that reason. Deadlines are for the clock.
    pub(super) fn excuses(&self, given: &str) -> bool {
        let troubles: &[Trouble] = match given {
            reason::CANCELLED => &[Trouble::Cancelled],
            reason::SOURCE_LOST => &[Trouble::SourceLost],
            reason::BINDINGS_CHANGED => &[Trouble::BindingsChanged],
            reason::REPLAY_QUEUE_LOST => &[Trouble::ReplayLost],
            reason::CHECKPOINT_FAILED => {
                &[Trouble::CheckpointsFailed, Trouble::EffectFailed, Trouble::SourceLost]
            }
            reason::TRANSFER_FAILED => &[Trouble::TransferFailed],
            reason::RESTORED_FRESH => &[Trouble::RestoredFresh, Trouble::SourceLost],
            reason::RESTORE_FAILED => &[Trouble::ShadowLost],
            reason::GAP => &[Trouble::TargetLacked],
            Fate::REASON => &[Trouble::EffectRefused],
            reason::DEADLINE_EXCEEDED
            | reason::REPLAY_DEADLINE_EXCEEDED
            | reason::SOURCE_NOT_MIGRATABLE
            | reason::SOURCE_NOT_OWNER => return true,
            _ => &[],
        };
        troubles.iter().any(|trouble| self.saw(*trouble))
    }

    /// How it ends, if nothing happens any more, where that can be told.
    pub(super) fn comes_to(&self) -> Option<Phase> {
        if self.disturbed {
            return None;
        }
        self.course.comes_to(self.saw(Trouble::Cancelled))
    }

    /// Whether there may be anything that this changes.
    fn allows(&self, meddling: &Meddling) -> bool {
        // A lie may have led the operator there sooner.
        let made = |asked: &str| self.turns >= turns_until(asked) || self.saw(Trouble::Lied);
        match meddling {
            Meddling::SourceEnds | Meddling::SourceRestarts => self.source == Source::Runs,
            Meddling::SourceVanishes => self.source != Source::Gone,
            Meddling::SourceIsMute(mute) => self.source == Source::Runs && *mute != self.mute,
            Meddling::ShadowEnds | Meddling::ShadowVanishes | Meddling::ShadowReconnects => {
                made("CreateShadow")
            }
            Meddling::TargetLacks(lacks) => made("Checkpoint") && *lacks != self.target_lacks,
            Meddling::TargetIsHasty(hasty) => made("Checkpoint") && *hasty != self.target_is_hasty,
            Meddling::RestoresFresh(fresh) => *fresh != self.restores_fresh,
            Meddling::Cancel => !self.saw(Trouble::Cancelled),
            Meddling::RepliesAreLost | Meddling::Lie(_) => made("PROBE"),
            Meddling::Again(_) => self.turns > turns_until("PROBE"),
            Meddling::ReplayIsLost => made("MirrorReplay"),
            Meddling::TransferFails => !self.saw(Trouble::TransferFailed),
            Meddling::CheckpointsFail(_) => true,
            Meddling::JobsVanish => made("CreateTransferJob"),
            Meddling::BindingsChange => !self.saw(Trouble::BindingsChanged),
        }
    }

    fn meddling(&self) -> BoxedStrategy<Meddling> {
        let plain = [
            (2, Meddling::SourceEnds),
            (1, Meddling::SourceVanishes),
            (2, Meddling::SourceRestarts),
            (3, Meddling::ShadowEnds),
            (2, Meddling::ShadowVanishes),
            (3, Meddling::ShadowReconnects),
            (4, Meddling::TargetLacks(!self.target_lacks)),
            (3, Meddling::TargetIsHasty(!self.target_is_hasty)),
            (2, Meddling::RestoresFresh(!self.restores_fresh)),
            (2, Meddling::SourceIsMute(!self.mute)),
            (2, Meddling::Cancel),
            (3, Meddling::RepliesAreLost),
            (1, Meddling::ReplayIsLost),
            (1, Meddling::TransferFails),
            (1, Meddling::JobsVanish),
            (1, Meddling::BindingsChange),
        ];
        let possible = plain.into_iter().filter(|(_, meddling)| self.allows(meddling));
        let mut choices: Vec<(u32, BoxedStrategy<Meddling>)> =
            possible.map(|(weight, meddling)| (weight, Just(meddling).boxed())).collect();
        choices.push((2, (1..6_u32).prop_map(Meddling::CheckpointsFail).boxed()));
        if self.lies && self.turns > turns_until("PROBE") {
            choices.push((10, lie().prop_map(Meddling::Lie).boxed()));
            choices.push((6, again().boxed()));
        }
        Union::new_weighted(choices).boxed()
    }

    fn turn(&mut self, step: &Step) {
        self.turns += 1;
        let settle_ms = i64::try_from(self.spec().replay.settle.as_millis()).unwrap_or(i64::MAX);
        let course = std::mem::replace(&mut self.course, Course::Disturbed);
        if !self.disturbed && step.shows_everything() {
            self.course = course.next(self.now_ms, settle_ms, self.saw(Trouble::Cancelled));
        }
        self.disturbed |= self.course.is_disturbed_by(step);
        for fate in &step.fates {
            match fate {
                Fate::Fails { retryable: false } => self.troubles.insert(Trouble::EffectRefused),
                Fate::Fails { retryable: true } | Fate::DoneButFails => {
                    self.troubles.insert(Trouble::EffectFailed)
                }
                Fate::Done | Fate::LostBefore | Fate::LostAfter => false,
            };
        }
        self.now_ms += step.wait_ms;
    }

    fn meddle(&mut self, meddling: &Meddling) {
        let trouble = match meddling {
            Meddling::SourceEnds => {
                self.source = Source::Ended;
                Some(Trouble::SourceLost)
            }
            Meddling::SourceVanishes => {
                self.source = Source::Gone;
                Some(Trouble::SourceLost)
            }
            Meddling::SourceRestarts => Some(Trouble::SourceLost),
            Meddling::ShadowEnds | Meddling::ShadowVanishes => Some(Trouble::ShadowLost),
            Meddling::TargetLacks(lacks) => {
                self.target_lacks = *lacks;
                Some(Trouble::TargetLacked)
            }
            Meddling::TargetIsHasty(hasty) => {
                self.target_is_hasty = *hasty;
                None
            }
            Meddling::RestoresFresh(fresh) => {
                self.restores_fresh = *fresh;
                Some(Trouble::RestoredFresh)
            }
            Meddling::SourceIsMute(mute) => {
                self.mute = *mute;
                None
            }
            Meddling::Cancel => Some(Trouble::Cancelled),
            Meddling::ReplayIsLost => Some(Trouble::ReplayLost),
            Meddling::TransferFails => Some(Trouble::TransferFailed),
            Meddling::CheckpointsFail(_) => Some(Trouble::CheckpointsFailed),
            Meddling::BindingsChange => Some(Trouble::BindingsChanged),
            Meddling::Lie(_) | Meddling::Again(_) => Some(Trouble::Lied),
            Meddling::ShadowReconnects | Meddling::RepliesAreLost | Meddling::JobsVanish => None,
        };
        self.troubles.extend(trouble);
        // What a cancelled migration does is known.
        self.disturbed |= !matches!(meddling, Meddling::Cancel);
    }
}

impl ReferenceStateMachine for Outside {
    type State = Self;
    type Transition = Happening;

    fn init_state() -> BoxedStrategy<Self> {
        let quiet = prop_oneof![2 => Just(0), 5 => 0..28_u32];
        let begin = |(retain_checkpoint, back, quiet, lies)| Self {
            retain_checkpoint,
            on_deadline: if back { OnDeadline::Rollback } else { OnDeadline::Cutoff },
            quiet,
            lies,
            turns: 0,
            now_ms: 0,
            course: Course::BEGINNING,
            disturbed: false,
            source: Source::Runs,
            mute: false,
            restores_fresh: false,
            target_lacks: false,
            target_is_hasty: false,
            troubles: BTreeSet::new(),
        };
        (any::<bool>(), any::<bool>(), quiet, prop::bool::weighted(0.6)).prop_map(begin).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Happening> {
        if state.turns < state.quiet {
            return quiet().prop_map(Happening::Turn).boxed();
        }
        prop_oneof![
            5 => turn().prop_map(Happening::Turn),
            1 => state.meddling().prop_map(Happening::Meddling),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, happening: &Happening) -> bool {
        match happening {
            Happening::Turn(_) => true,
            Happening::Meddling(meddling) => state.allows(meddling),
        }
    }

    fn apply(mut state: Self, happening: &Happening) -> Self {
        match happening {
            Happening::Turn(step) => state.turn(step),
            Happening::Meddling(meddling) => state.meddle(meddling),
        }
        state
    }
}
