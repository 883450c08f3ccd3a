use ms2m::api::{Phase, StatefulMigrationStatus};
use ms2m_app::{
    Ledger,
    contract::{Marker, MissingMessages},
};

use super::fates::checkpointed;
use crate::world::Cluster;

/// Whether nobody but the source can know that there was this message: it is not in the replay queue, and the target
/// read nothing there that comes after it, or cannot tell that something is missing before that.
pub(super) fn slipped_unseen(
    cluster: &Cluster,
    status: &StatefulMigrationStatus,
    (producer, seq): &(String, u64),
) -> bool {
    let replay = status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
    let handover = status.handover.clone().unwrap_or_default();
    let ends = |body: &[u8]| match serde_json::from_slice(body) {
        Ok(Marker::End { session, round, .. }) => {
            Some(session) == handover.drained_session && round == handover.drained_round
        }
        _ => false,
    };
    let read = cluster.broker.identities_before(&replay, ends);
    let of_image = checkpointed(cluster, status).unwrap_or_default();
    let tells = of_image.knows(producer) || knows_beginnings(&of_image);
    let shows = read.iter().any(|later| later.0 == *producer && later.1 > *seq) && tells;
    !shows && !cluster.broker.identities(&replay).contains(&(producer.clone(), *seq))
}

/// A migration that completed, and says what its state lacks.
pub(super) fn named_at_the_end(status: &StatefulMigrationStatus) -> Option<&'static str> {
    let lacks = status.handover.as_ref().is_some_and(|handover| !handover.missing.is_empty());
    (status.phase == Phase::Completed && lacks)
        .then_some("messages went past the replay queue, and what was read after the handover showed which")
}

/// What is lost and not named at the end of such a migration. What follows a gap is not lost by it: the new owner goes on.
pub(super) fn unnamed<'a>(
    status: &StatefulMigrationStatus,
    lost: &'a [MissingMessages],
) -> Option<&'a MissingMessages> {
    named_at_the_end(status)?;
    let named = &status.handover.as_ref()?.missing;
    let covers = |gap: &MissingMessages, lost: &MissingMessages| {
        gap.producer == lost.producer && gap.first <= lost.first && lost.last <= gap.last
    };
    lost.iter().find(|lost| !named.iter().any(|gap| covers(gap, lost)))
}

/// Whether a state has heard somebody, and everybody from the first message on.
fn knows_beginnings(ledger: &Ledger) -> bool {
    let written = serde_json::to_value(ledger).unwrap_or_default();
    let tracks: Vec<_> = written["producers"].as_object().into_iter().flat_map(|all| all.values()).collect();
    !tracks.is_empty() && tracks.iter().all(|track| track["first"] == 1)
}
