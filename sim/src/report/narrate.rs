use ms2m::api::StatefulMigrationStatus;

use super::Lane;

/// What a person would tell about the change from one status to the next.
pub fn narrate(old: &StatefulMigrationStatus, new: &StatefulMigrationStatus) -> Vec<(Lane, String)> {
    let mut lines = Vec::new();
    for transition in new.phase_transitions.iter().skip(old.phase_transitions.len()) {
        lines.push((Lane::Phase, format!("{:?}", transition.phase)));
    }
    let sample =
        |status: &StatefulMigrationStatus| status.replay.as_ref().map(|replay| (replay.lag, replay.samples));
    if sample(new) != sample(old)
        && let Some(replay) = &new.replay
        && replay.samples > 0
    {
        let rate = replay.apply_rate.map_or_else(|| "?".to_owned(), |rate| format!("{rate:.0}"));
        let text =
            format!("lag {} · {:.0} messages/s arrive · {rate} applied", replay.lag, replay.arrival_rate);
        lines.push((Lane::App, text));
    }
    let marks = |status: &StatefulMigrationStatus| {
        let handover = status.handover.clone().unwrap_or_default();
        [handover.stopped_at, handover.point_of_no_return, handover.switched_at].map(|at| at.is_some())
    };
    let texts = ["source stopped", "point of no return", "target owns the queue"];
    for (text, (was, is)) in texts.iter().zip(marks(old).into_iter().zip(marks(new))) {
        if is && !was {
            lines.push((Lane::App, (*text).to_owned()));
        }
    }
    if let Some(pause) = new.pause.filter(|_| old.pause.is_none()) {
        lines.push((Lane::App, format!("pause {pause}")));
    }
    lines
}
