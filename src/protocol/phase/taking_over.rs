use ms2m_app::contract::CommandBody;

use super::{Draft, shadow, switching_over};
use crate::api::Span;

/// After the point of no return: the target takes the queue, whatever it takes.
pub(super) fn step(draft: &mut Draft<'_>) {
    shadow::keep(draft);
    if !shadow::drive(draft) || switching_over::gap(draft) || !switching_over::drain(draft) {
        return;
    }
    let (Some(session), Some(uid)) =
        (draft.session(), draft.status.target.as_ref().and_then(|t| t.uid.clone()))
    else {
        return;
    };
    let sent = draft.handover().take_over_sent_at;
    if draft.is_due_again(sent, draft.migration.intervals.take_over_again) {
        let epoch = draft.epoch();
        draft.command(&uid, epoch, CommandBody::TakeOver { session });
    }
}

/// How long no pod owned the queue, once the target does.
pub(super) fn measure_pause(draft: &mut Draft<'_>) {
    let handover = draft.handover();
    if let (Some(stopped), Some(switched)) = (handover.stopped_at, handover.switched_at)
        && draft.status.pause.is_none()
    {
        let pause = switched.duration_since(stopped).as_millis();
        draft.status.pause = Some(Span::from_millis(u64::try_from(pause).unwrap_or_default()));
    }
}
