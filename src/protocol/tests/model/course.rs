//! A migration that nothing disturbs, turn by turn: which phase each turn ends in, and what it asks for.

use ms2m_app::contract::{CommandBody, Marker};

use super::meddling::{Fate, Step};
use crate::{
    api::{
        Phase,
        Phase::{
            Checkpointing, Completed, Mirroring, Pending, Replaying, Restoring, SwitchingOver, Transferring,
        },
    },
    protocol::Effect,
};

/// One turn. After one that asks for nothing, and that is not the last, `settle` has to pass.
struct Row {
    phase: Phase,
    asks: &'static [&'static str],
}

const fn row(phase: Phase, asks: &'static [&'static str]) -> Row {
    Row { phase, asks }
}

const COURSE: [Row; 23] = [
    row(Pending, &["DeclareReplies", "PROBE"]),
    row(Mirroring, &["LabelSource", "MirrorReplay"]),
    row(Mirroring, &[]),
    row(Mirroring, &["SYNC"]),
    row(Checkpointing, &["Checkpoint"]),
    row(Transferring, &["CreateTransferJob"]),
    row(Restoring, &["CreateShadow"]),
    row(Replaying, &["START_REPLAY"]),
    row(SwitchingOver, &["STOP"]),
    row(SwitchingOver, &["END_REPLAY", "END"]),
    row(SwitchingOver, &["TAKE_OVER"]),
    row(SwitchingOver, &["RouteServices"]),
    row(SwitchingOver, &["DeleteSource"]),
    row(SwitchingOver, &["UnbindReplay"]),
    row(SwitchingOver, &[]),
    row(SwitchingOver, &["END_REPLAY", "END"]),
    row(SwitchingOver, &["DeleteReplay"]),
    row(SwitchingOver, &["DeleteTransferJob"]),
    row(SwitchingOver, &["CreateCleanupJob"]),
    row(SwitchingOver, &["DeleteCleanupJob"]),
    row(SwitchingOver, &["DeleteControlQueue"]),
    row(SwitchingOver, &["DeleteReplies"]),
    row(Completed, &[]),
];

/// The turn that records the point of no return.
const PASSES: usize = 10;
/// Rows of what somebody else may have done already: the source's deletion, and the transfer Job's.
const SKIPPED_MAX: u32 = 2;
/// A turn that comes later than that may come after a deadline.
const PROMPT_MS: std::ops::RangeInclusive<i64> = 0..=6_000;

/// Where a migration is, as far as that can be told without asking it.
#[derive(Clone, Debug)]
pub(super) enum Course {
    /// The turn of that row was the last, at that time; none was yet.
    Forward { row: Option<usize>, at_ms: i64 },
    /// It was cancelled in time, and nothing else happened: everything is undone.
    Back,
    /// Something else happened.
    Disturbed,
}

impl Course {
    pub(super) const BEGINNING: Self = Self::Forward { row: None, at_ms: 0 };

    /// The next turn, at that time, in which nothing is hidden.
    pub(super) fn next(self, now_ms: i64, settle_ms: i64, cancelled: bool) -> Self {
        let Self::Forward { row, at_ms } = self else { return self };
        if cancelled && row.is_none_or(|row| row < PASSES) {
            return Self::Back;
        }
        let Some(row) = row else { return Self::Forward { row: Some(0), at_ms: now_ms } };
        let settles = COURSE[row].asks.is_empty() && now_ms - at_ms < settle_ms;
        if settles || row + 1 == COURSE.len() {
            return Self::Forward { row: Some(row), at_ms };
        }
        Self::Forward { row: Some(row + 1), at_ms: now_ms }
    }

    /// How it ends.
    pub(super) fn comes_to(&self, cancelled: bool) -> Option<Phase> {
        match self {
            Self::Forward { row: Some(PASSES..), .. } => Some(Completed),
            Self::Forward { .. } if !cancelled => Some(Completed),
            Self::Forward { .. } | Self::Back => Some(Phase::RolledBack),
            Self::Disturbed => None,
        }
    }

    /// Whether what becomes of this turn's effects, and when the next one comes, disturbs it.
    pub(super) fn is_disturbed_by(&self, step: &Step) -> bool {
        let asked = match self {
            Self::Forward { row: Some(row), .. } => COURSE[*row].asks.len(),
            _ => step.fates.len(),
        };
        let mut fates = step.fates.iter().cycle().take(asked);
        !PROMPT_MS.contains(&step.wait_ms) || fates.any(|fate| *fate != Fate::Done)
    }

    /// The phase, whether the point of no return is passed, and what was asked for last.
    pub(super) fn expects(&self) -> Option<(Phase, bool, &'static [&'static str])> {
        let Self::Forward { row: Some(row), .. } = self else { return None };
        Some((COURSE[*row].phase, *row >= PASSES, COURSE[*row].asks))
    }
}

/// How many turns it takes at least to be asked for that.
pub(super) fn turns_until(asked: &str) -> u32 {
    first(|row| row.asks.contains(&asked))
}

/// How many turns it takes at least to come into that phase; none where it begins, and where trouble leads.
pub(super) fn turns_into(phase: Phase) -> u32 {
    match phase {
        Pending | Phase::RollingBack | Phase::RolledBack | Phase::Failed => 0,
        Phase::Completed => first(|row| row.phase == phase) - SKIPPED_MAX,
        _ => first(|row| row.phase == phase),
    }
}

/// How many turns it takes at least to pass the point of no return.
pub(super) fn turns_past_return() -> u32 {
    turns_until("TAKE_OVER")
}

fn first(of: impl Fn(&Row) -> bool) -> u32 {
    COURSE.iter().take_while(|row| !of(row)).count().try_into().map_or(u32::MAX, |rows: u32| rows + 1)
}

/// An effect, by one word.
pub(super) fn word(effect: &Effect) -> &'static str {
    match effect {
        Effect::DeclareReplies => "DeclareReplies",
        Effect::LabelSource => "LabelSource",
        Effect::UnlabelSource => "UnlabelSource",
        Effect::MirrorReplay { .. } => "MirrorReplay",
        Effect::UnbindReplay { .. } => "UnbindReplay",
        Effect::DeleteReplay { .. } => "DeleteReplay",
        Effect::PublishMarker { marker: Marker::Sync { .. }, .. } => "SYNC",
        Effect::PublishMarker { marker: Marker::End { .. }, .. } => "END",
        Effect::Command { body, .. } => match body {
            CommandBody::Probe => "PROBE",
            CommandBody::StartReplay { .. } => "START_REPLAY",
            CommandBody::Stop => "STOP",
            CommandBody::Resume => "RESUME",
            CommandBody::EndReplay { .. } => "END_REPLAY",
            CommandBody::TakeOver { .. } => "TAKE_OVER",
        },
        Effect::Checkpoint { .. } => "Checkpoint",
        Effect::CreateTransferJob { .. } => "CreateTransferJob",
        Effect::DeleteTransferJob => "DeleteTransferJob",
        Effect::CreateCleanupJob { .. } => "CreateCleanupJob",
        Effect::DeleteCleanupJob => "DeleteCleanupJob",
        Effect::CreateShadow { .. } => "CreateShadow",
        Effect::DeleteShadow { .. } => "DeleteShadow",
        Effect::RouteServices { .. } => "RouteServices",
        Effect::DeleteSource { .. } => "DeleteSource",
        Effect::DeleteControlQueue { .. } => "DeleteControlQueue",
        Effect::DeleteReplies => "DeleteReplies",
        Effect::RemoveFinalizer => "RemoveFinalizer",
    }
}
