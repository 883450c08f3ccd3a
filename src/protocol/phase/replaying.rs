use super::{Draft, shadow};
use crate::{
    api::{HandoverStatus, Phase, reason},
    protocol::cutoff::{self, Cutoff},
};
use ms2m_app::seeded_bug::{self, SeededBug};

/// The target catches up, until the handover is short enough or waiting buys nothing.
pub(super) fn step(draft: &mut Draft<'_>) {
    shadow::keep(draft);
    if draft.status.phase != Phase::Replaying
        || draft.status.abort.as_ref().is_some_and(|abort| !abort.refused)
    {
        return;
    }
    if !shadow::drive(draft) {
        let deadline = draft.migration.spec.replay.deadline;
        if draft.is_due(draft.phase_entered_at(), deadline.as_duration()) {
            let message = format!("no target has begun to read the replay queue within {deadline}");
            draft.abort(reason::REPLAY_DEADLINE_EXCEEDED, message);
        }
        return;
    }
    report_gap(draft);
    if draft.source_life().is_lost() {
        switch(draft, "the source ended: nothing more will be consumed by it".to_owned());
        return;
    }
    let spec = &draft.migration.spec.replay;
    let elapsed = draft.since(draft.phase_entered_at());
    let replay = draft.status.replay.clone().unwrap_or_default();
    match cutoff::decide(spec, &replay, elapsed) {
        Cutoff::HandOver(_) if seeded_bug::is(SeededBug::NeverHandOver) => {}
        Cutoff::Wait => {
            draft.is_due(draft.phase_entered_at(), spec.deadline.as_duration());
        }
        Cutoff::HandOver(why) => switch(draft, why),
        Cutoff::GiveUp(_) if draft.forward_only() => {
            switch(draft, "the deadline passed, and the source cannot be rolled back to".to_owned());
        }
        Cutoff::GiveUp(why) => draft.abort(reason::REPLAY_DEADLINE_EXCEEDED, why),
    }
}

fn switch(draft: &mut Draft<'_>, cutoff: String) {
    draft.status.handover = Some(HandoverStatus { cutoff, ..Default::default() });
    draft.enter(Phase::SwitchingOver);
}

fn report_gap(draft: &mut Draft<'_>) {
    let settle = draft.migration.spec.replay.settle.as_duration();
    let since = draft.status.replay.as_ref().and_then(|replay| replay.held_since);
    if let Some(since) = since
        && draft.is_due(since, settle)
    {
        let held = draft.status.replay.as_ref().map_or(0, |replay| replay.held);
        let message =
            format!("{held} messages in the replay queue wait for a predecessor that has not arrived");
        draft.degraded(reason::GAP, message);
    }
}
