//! What is told about a change of phase: a line in the log, an event at the object.

use super::context::Context;
use crate::{
    api::{Phase, StatefulMigrationStatus},
    kubernetes::{
        MigrationRef,
        events::{self, PhaseChange},
    },
    protocol::table,
};

/// The phases that were entered between two statuses.
pub(super) fn between(before: &StatefulMigrationStatus, after: &StatefulMigrationStatus) -> Vec<PhaseChange> {
    let known = before.phase_transitions.len();
    let entered = after.phase_transitions.iter().enumerate().skip(known);
    entered
        .map(|(index, entered)| PhaseChange {
            phase: entered.phase,
            at: entered.at,
            index,
            note: note(entered.phase, after),
        })
        .collect()
}

fn note(phase: Phase, status: &StatefulMigrationStatus) -> String {
    let ended =
        status.outcome.as_ref().filter(|_| phase.is_terminal()).map(|outcome| outcome.message.clone());
    let undone =
        status.abort.as_ref().filter(|_| phase == Phase::RollingBack).map(|abort| abort.message.clone());
    ended.or(undone).unwrap_or_else(|| table::row(phase).done.to_owned())
}

/// Tells it. What cannot be told is lost: what counts is in the status.
pub(super) async fn tell(context: &Context, migration: &MigrationRef, changes: &[PhaseChange]) {
    for change in changes {
        tracing::info!(
            migration = %format_args!("{}/{}", migration.namespace, migration.name),
            phase = ?change.phase,
            "{}", change.note
        );
        if let Err(error) =
            events::publish(&context.client, migration, &context.settings.instance, change).await
        {
            tracing::warn!(%error, "an event could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Abort, PhaseTransition};

    fn entered(phases: &[Phase]) -> StatefulMigrationStatus {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let phase_transitions = phases.iter().map(|phase| PhaseTransition { phase: *phase, at }).collect();
        StatefulMigrationStatus { phase_transitions, ..Default::default() }
    }

    #[test]
    fn every_phase_of_one_write_is_told_once_with_what_led_to_it() {
        let before = entered(&[Phase::Pending]);
        let mut after = entered(&[Phase::Pending, Phase::Mirroring, Phase::RollingBack]);
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let message = "the source ended".to_owned();
        after.abort = Some(Abort {
            reason: String::new(),
            message,
            at,
            asked_at: None,
            proven: true,
            refused: false,
            silent: false,
        });
        let told = between(&before, &after);
        assert_eq!(told.iter().map(|change| change.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(told[1].note, "the source ended");
        assert!(between(&after, &after).is_empty());
    }
}
