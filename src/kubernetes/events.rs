//! One event per change of phase.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Resource as _, api::PostParams};

use super::{MigrationRef, failure::is_conflict};
use crate::api::{FIELD_MANAGER, Phase, StatefulMigration};

/// Bytes of a note that the API server takes.
const NOTE_BYTES_MAX: usize = 1_024;

/// A change of phase, for `kubectl describe` and `kubectl events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseChange {
    /// The phase that was entered.
    pub phase: Phase,
    /// When.
    pub at: Timestamp,
    /// Which entry of `phaseTransitions` it is: an event that is written twice is one.
    pub index: usize,
    /// A sentence.
    pub note: String,
}

/// Writes the event. Nobody may depend on it: what counts is in the status.
pub async fn publish(
    client: &kube::Client,
    migration: &MigrationRef,
    instance: &str,
    change: &PhaseChange,
) -> Result<(), kube::Error> {
    let events: Api<Event> = Api::namespaced(client.clone(), &migration.namespace);
    match events.create(&PostParams::default(), &event(migration, instance, change)).await {
        Err(error) if !is_conflict(&error) => Err(error),
        _ => Ok(()),
    }
}

fn event(migration: &MigrationRef, instance: &str, change: &PhaseChange) -> Event {
    let warns = matches!(change.phase, Phase::RollingBack | Phase::RolledBack | Phase::Failed);
    let phase = format!("{:?}", change.phase);
    let mut note = change.note.clone();
    note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
    // Names of objects have at most 253 characters; the UID alone makes this one unique.
    let stem = &migration.name[..migration.name.floor_char_boundary(200)];
    Event {
        action: Some(phase.clone()),
        event_time: Some(MicroTime(change.at)),
        metadata: ObjectMeta {
            name: Some(format!("{stem}.{}.{}", migration.uid, change.index)),
            namespace: Some(migration.namespace.clone()),
            ..Default::default()
        },
        note: Some(note),
        reason: Some(phase),
        regarding: Some(ObjectReference {
            api_version: Some(StatefulMigration::api_version(&()).into_owned()),
            kind: Some(StatefulMigration::kind(&()).into_owned()),
            name: Some(migration.name.clone()),
            namespace: Some(migration.namespace.clone()),
            uid: Some(migration.uid.clone()),
            ..Default::default()
        }),
        reporting_controller: Some(format!("migration.ms2m.io/{FIELD_MANAGER}")),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if warns { "Warning" } else { "Normal" }.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_which_phase_of_which_migration() {
        let migration =
            MigrationRef { namespace: "shop".to_owned(), name: "move".to_owned(), uid: "m-1".to_owned() };
        let change = PhaseChange {
            phase: Phase::RollingBack,
            at: "2026-01-01T00:00:00.250Z".parse().unwrap(),
            index: 3,
            note: "é".repeat(2_000),
        };
        let mut event = event(&migration, "ms2m-operator-0", &change);
        assert_eq!(event.note.take().map(|note| note.len()), Some(NOTE_BYTES_MAX));
        insta::assert_yaml_snapshot!(event);
    }
}
