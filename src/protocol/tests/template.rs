//! What shadows are made from is kept, and by whom it was kept is known, before the source is touched.

use jiff::Timestamp;
use ms2m_app::Ledger;

use super::script::{decide_as_usual, spec};
use crate::{
    api::{MirrorStatus, Phase, PhaseTransition, SourceStatus, StatefulMigrationStatus},
    protocol::{Decision, Effect, EffectOutcome, EffectReport, Observation, PodFacts, PodView},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The source has answered the marker.
fn synced() -> StatefulMigrationStatus {
    StatefulMigrationStatus {
        phase: Phase::Mirroring,
        phase_transitions: vec![PhaseTransition { phase: Phase::Mirroring, at: NOW }],
        source: Some(SourceStatus { uid: "s".into(), ..Default::default() }),
        epoch: Some(1),
        nonce: Some("n".into()),
        mirror: Some(MirrorStatus {
            bound_at: Some(NOW),
            synced: Some(Ledger::default()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn after(outcomes: Vec<EffectOutcome>) -> Decision {
    let pod = PodFacts { uid: "s".into(), labelled: true, running: true, ..Default::default() };
    let seen = Observation { source: Some(PodView::Present(pod)), outcomes, ..Default::default() };
    decide_as_usual("m", &spec(), &synced(), &seen, NOW)
}

/// An operator that was lost between the label and the record leaves a source that bears the label, and a template that anybody may
/// have changed since.
#[test]
fn a_source_that_is_labelled_is_not_checkpointed_before_its_template_is_on_record() {
    let waits = after(Vec::new());
    assert_eq!((waits.status.phase, waits.effects), (Phase::Mirroring, vec![Effect::LabelSource]));
    let report = EffectReport::Template { digest: "sha256:00".into() };
    let goes_on = after(vec![EffectOutcome { effect: Effect::LabelSource, result: Ok(report) }]);
    assert_eq!(goes_on.status.phase, Phase::Checkpointing);
    assert_eq!(goes_on.status.source.unwrap().template_digest.as_deref(), Some("sha256:00"));
}
