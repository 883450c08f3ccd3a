//! What happens to a migration from outside, as choices that can be shrunk.

use ms2m_app::{
    Ledger,
    contract::{MessageId, MissingMessages, Reply, ReplyBody},
};
use proptest::prelude::*;

use crate::{
    api::StatefulMigrationStatus,
    protocol::{
        EffectFailure, EffectReport, JobView, Observation, PendingReply, PodView,
        tests::{
            script::spec,
            world::{MIGRATION, SOURCE, World},
        },
    },
};

/// What becomes of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done, and the operator hears of it.
    Done,
    /// The operator dies before it.
    LostBefore,
    /// It is done, and the operator dies before it can note it.
    LostAfter,
    /// It fails.
    Fails { retryable: bool },
    /// It is done, but the answer says that it failed.
    DoneButFails,
}

/// One turn of the operator, and how long it is until the next.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) wait_ms: i64,
    pub(super) fates: Vec<Fate>,
    /// Which parts of the observation cannot be had, as bits.
    pub(super) hidden: u8,
    pub(super) terminating: (bool, bool),
    /// Nobody is listened to, as when an operator is away.
    pub(super) deaf: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Meddling {
    SourceEnds,
    SourceVanishes,
    SourceRestarts,
    ShadowEnds,
    ShadowVanishes,
    ShadowReconnects,
    /// The application in the shadow, and its successors, lack a message that the source has.
    TargetLacks(bool),
    /// The application in the shadow, and its successors, say that they have everything, whatever they lack.
    TargetIsHasty(bool),
    RestoresFresh(bool),
    SourceIsMute(bool),
    Cancel,
    RepliesAreLost,
    ReplayIsLost,
    TransferFails,
    CheckpointsFail(u32),
    JobsVanish,
    BindingsChange,
    /// Somebody says something that is not, or is no longer, true.
    Lie(Lie),
    /// A reply that was heard comes again.
    Again(prop::sample::Index),
}

/// A reply: a body, by number, and who says it when.
#[derive(Clone, Debug)]
pub(super) struct Lie {
    kind: u8,
    from: u8,
    epoch: i8,
    session: bool,
    nonce: bool,
    round: i8,
    ledger: u8,
    number: u64,
}

pub(super) fn lie() -> impl Strategy<Value = Lie> {
    let who = (0..12_u8, 0..3_u8, prop_oneof![6 => Just(0_i8), 1 => Just(-1), 1 => Just(1)]);
    let what = (prop::bool::weighted(0.8), prop::bool::weighted(0.8), -1..=1_i8, 0..3_u8);
    let number =
        prop_oneof![3 => 0..9_u64, 1 => Just(u64::MAX), 1 => Just(i64::MAX as u64), 1 => any::<u64>()];
    (who, what, number).prop_map(|((kind, from, epoch), (session, nonce, round, ledger), number)| Lie {
        kind,
        from,
        epoch,
        session,
        nonce,
        round,
        ledger,
        number,
    })
}

pub(super) fn again() -> impl Strategy<Value = Meddling> {
    any::<prop::sample::Index>().prop_map(Meddling::Again)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        16 => Just(Fate::Done),
        1 => Just(Fate::LostBefore),
        1 => Just(Fate::LostAfter),
        1 => prop::bool::weighted(0.8).prop_map(|retryable| Fate::Fails { retryable }),
        1 => Just(Fate::DoneButFails),
    ]
}

/// A turn of which little goes wrong: a migration has to come far before what is rare can happen to it.
pub(super) fn turn() -> impl Strategy<Value = Step> {
    let wait_ms =
        prop_oneof![8 => 1..1_200_i64, 3 => 1_200..6_000_i64, 1 => -3_000..0_i64, 1 => 20_000..130_000_i64];
    let fates = proptest::collection::vec(fate(), 3);
    let hidden = prop_oneof![9 => Just(0_u8), 1 => any::<u8>()];
    let terminating = (prop::bool::weighted(0.03), prop::bool::weighted(0.03));
    let deaf = prop::bool::weighted(0.03);
    (wait_ms, fates, hidden, terminating, deaf).prop_map(|(wait_ms, fates, hidden, terminating, deaf)| Step {
        wait_ms,
        fates,
        hidden,
        terminating,
        deaf,
    })
}

/// A turn in which nothing goes wrong, and after which the next one comes soon.
pub(super) fn quiet() -> impl Strategy<Value = Step> {
    prop_oneof![4 => 1..1_200_i64, 1 => 1_200..6_000_i64].prop_map(|wait_ms| Step { wait_ms, ..calm() })
}

/// A turn in which nothing goes wrong.
pub(super) fn calm() -> Step {
    Step { wait_ms: 1_000, fates: vec![Fate::Done], hidden: 0, terminating: (false, false), deaf: false }
}

impl Fate {
    /// Why an effect fails that does.
    pub(super) const REASON: &str = "Refused";

    /// What the operator hears, when it hears anything; `act` does the effect.
    pub(super) fn befall(
        self,
        act: impl FnOnce() -> Result<EffectReport, EffectFailure>,
    ) -> Option<Result<EffectReport, EffectFailure>> {
        let failure = |retryable, unheard| EffectFailure {
            reason: Self::REASON,
            message: "no answer".to_owned(),
            retryable,
            unheard,
        };
        match self {
            Self::Done => Some(act()),
            Self::LostBefore => None,
            Self::LostAfter => {
                drop(act());
                None
            }
            Self::Fails { retryable } => Some(Err(failure(retryable, false))),
            Self::DoneButFails => {
                drop(act());
                Some(Err(failure(true, true)))
            }
        }
    }
}

impl Step {
    pub(super) fn shows_everything(&self) -> bool {
        self.hidden == 0 && self.terminating == (false, false) && !self.deaf
    }

    /// What of the world can be seen in this turn.
    pub(super) fn veil(&self, seen: &mut Observation) {
        let hides = |bit: u8| self.hidden & (1 << bit) != 0;
        if let Some(PodView::Present(pod)) = &mut seen.source {
            pod.terminating |= self.terminating.0;
        }
        if let Some(PodView::Present(pod)) = &mut seen.shadow {
            pod.terminating |= self.terminating.1;
        }
        if self.deaf {
            seen.replies.clear();
            seen.listening_since = None;
        }
        if hides(0) {
            seen.source = None;
        }
        if hides(1) {
            seen.shadow = None;
        }
        if hides(2) {
            seen.transfer_job = None;
        }
        if hides(3) {
            seen.cleanup_job = None;
        }
        if hides(4) {
            seen.primary = None;
        }
        if hides(5) {
            (seen.replay, seen.replay_end) = (None, None);
        }
        if hides(6) {
            seen.bindings = None;
        }
        if hides(7) {
            seen.preflight = None;
        }
    }
}

impl Meddling {
    pub(super) fn strike(&self, world: &mut World, status: &StatefulMigrationStatus, heard: &[Reply]) {
        match self {
            Self::SourceEnds => {
                if let Some(source) = &mut world.source {
                    (source.ended, source.owns) = (true, false);
                }
            }
            Self::SourceVanishes => world.source = None,
            Self::SourceRestarts => {
                if let Some(source) = world.source.as_mut().filter(|source| !source.ended) {
                    source.container = format!("{}-again", source.container);
                    source.nonce = None;
                }
            }
            Self::ShadowEnds => {
                if let Some(shadow) = &mut world.shadow {
                    (shadow.ended, shadow.owns) = (true, false);
                }
            }
            Self::ShadowVanishes => world.shadow = None,
            Self::ShadowReconnects => world.shadow_reconnects(),
            Self::TargetLacks(lacks) => {
                if let Some(shadow) = &mut world.shadow {
                    shadow.lacks = *lacks;
                }
                world.checkpointed.lacks = *lacks;
            }
            Self::TargetIsHasty(hasty) => {
                if let Some(shadow) = &mut world.shadow {
                    shadow.is_hasty = *hasty;
                }
                world.checkpointed.is_hasty = *hasty;
            }
            Self::RestoresFresh(fresh) => world.restores_fresh = *fresh,
            Self::SourceIsMute(mute) => world.mute = *mute,
            Self::Cancel => world.deletion_requested = true,
            Self::RepliesAreLost => world.replies.clear(),
            Self::ReplayIsLost => world.replay = None,
            Self::TransferFails => world.transfer_fails = true,
            Self::CheckpointsFail(times) => world.checkpoint_failures = *times,
            Self::JobsVanish => (world.transfer_job, world.cleanup_job) = (None::<JobView>, None),
            Self::BindingsChange => world.bindings_change = true,
            Self::Lie(lie) => world.overhear(lie.told(world, status)),
            Self::Again(index) => {
                if !heard.is_empty() {
                    world.overhear(index.get(heard).clone());
                }
            }
        }
    }
}

impl Lie {
    fn told(&self, world: &World, status: &StatefulMigrationStatus) -> Reply {
        let shadow = world.shadow.as_ref().map_or_else(|| "nobody".to_owned(), |shadow| shadow.uid.clone());
        let pod_uid = [SOURCE.to_owned(), shadow, "stranger".to_owned()][usize::from(self.from)].clone();
        let epoch = status.epoch.unwrap_or(7).wrapping_add_signed(self.epoch.into());
        Reply { version: 1, migration: MIGRATION.into(), epoch, pod_uid, body: self.body(status) }
    }

    fn body(&self, status: &StatefulMigrationStatus) -> ReplyBody {
        let current = status.target.as_ref().and_then(|target| target.session.clone());
        let session = current.filter(|_| self.session).unwrap_or_else(|| "another session".to_owned());
        let nonce = status.nonce.clone().filter(|_| self.nonce);
        let round = status.handover.as_ref().map_or(1, |handover| handover.round);
        let round = round.saturating_add_signed(self.round.into());
        let number = self.number;
        let (ledger, missing) = (self.ledger(), self.missing());
        match self.kind {
            0 => ReplyBody::Probed {
                last_epoch: number,
                nonce,
                owner: self.round >= 0,
                queue: match number % 3 {
                    0 => None,
                    1 => Some(session),
                    _ => Some(spec().broker.queue),
                },
                sequenced: self.session,
            },
            1 => ReplyBody::Synced { nonce: nonce.unwrap_or_default(), ledger },
            2 => ReplyBody::Hello { session: format!("{session}-{}", self.round), nonce, ledger },
            3 => ReplyBody::ReplayStarted { session },
            4 => ReplyBody::Progress { session, read: number, applied: 3, skipped: number, held: number / 2 },
            5 => ReplyBody::Stopped { nonce, ledger },
            6 => ReplyBody::Resumed { nonce },
            7 | 8 => ReplyBody::Drained { session, round, ledger },
            9 => ReplyBody::Gap { session, round, missing },
            10 => ReplyBody::Switched { session, ledger },
            _ => ReplyBody::Error {
                reason: "R".repeat(self.round.unsigned_abs().into()),
                message: "!".repeat(40_000),
            },
        }
    }

    /// Nothing, what the source has, or more.
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for seq in 1..=self.ledger.into() {
            ledger.insert(&MessageId { producer: "p".into(), seq });
        }
        ledger
    }

    fn missing(&self) -> Vec<MissingMessages> {
        vec![MissingMessages { producer: "p".into(), first: self.number, last: self.number }]
    }
}

/// The replies among what waits.
pub(super) fn said(replies: &[PendingReply]) -> impl Iterator<Item = Reply> + '_ {
    replies.iter().filter_map(|pending| pending.reply.clone())
}
