use super::{Draft, shadow};
use crate::api::{Phase, ReplayStatus};

/// The shadow pod comes up. That it runs proves nothing: only its application's `HELLO` does.
pub(super) fn step(draft: &mut Draft<'_>) {
    if draft.session().is_some() {
        draft.status.replay = Some(ReplayStatus::default());
        draft.enter(Phase::Replaying);
        return;
    }
    shadow::keep(draft);
}
