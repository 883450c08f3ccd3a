//! The core against a plain reading of docs/protocol.md.
//!
//! ```text
//!   meddling   what happens from outside: lost answers, lies, restarts, pods and queues that vanish, a clock that jumps
//!   witness    what the operator was told and what it asked for, apart from its own status
//!   rules      what may be done, given that
//! ```

mod meddling;
mod rules;
mod witness;

use jiff::{Timestamp, ToSpan};
use ms2m_app::contract::Reply;
use proptest::{prelude::*, test_runner::TestCaseError};

use self::{
    meddling::{Step, calm, said, step},
    rules::Turn,
    witness::Witness,
};
use super::{
    script::spec,
    world::{MIGRATION, World},
};
use crate::{
    api::{OnDeadline, StatefulMigrationSpec, StatefulMigrationStatus},
    protocol::{Decision, EffectOutcome, Migration, decide},
};

/// How many turns without trouble a migration may take to its end.
const CALM_TURNS_MAX: u32 = 1_500;

struct Run {
    world: World,
    spec: StatefulMigrationSpec,
    status: StatefulMigrationStatus,
    now: Timestamp,
    outcomes: Vec<EffectOutcome>,
    witness: Witness,
    heard: Vec<Reply>,
    lied: bool,
}

impl Run {
    fn new(spec: StatefulMigrationSpec) -> Self {
        Self {
            world: World::new(),
            spec,
            status: StatefulMigrationStatus::default(),
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            outcomes: Vec::new(),
            witness: Witness::default(),
            heard: Vec::new(),
            lied: false,
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        for meddling in &step.meddling {
            self.lied |= meddling.strike(&mut self.world, &self.status, &self.heard);
        }
        let mut seen = self.world.observe();
        seen.outcomes = std::mem::take(&mut self.outcomes);
        step.veil(&mut seen);
        self.heard.extend(said(&seen.replies));
        self.witness.hear(&self.status, &seen, self.now);
        let migration = Migration { uid: MIGRATION, spec: &self.spec, status: &self.status };
        let decision = decide(&migration, &seen, self.now);
        let (before, witness) = (&self.status, &self.witness);
        let turn =
            Turn { spec: &self.spec, before, seen: &seen, now: self.now, decision: &decision, witness };
        turn.check().map_err(|error| {
            TestCaseError::fail(format!("{error}\nseen {seen:#?}\nbefore {before:#?}\ndecided {decision:#?}"))
        })?;
        self.write(&decision)?;
        self.act(&decision, step);
        prop_assert!(self.lied || self.world.owners() <= 1, "two owners in {:?}", self.status.phase);
        self.world.tick();
        self.now = self.now.checked_add(step.wait_ms.milliseconds()).expect("a time");
        Ok(())
    }

    /// What is durable is what JSON keeps: every turn may be another operator's.
    fn write(&mut self, decision: &Decision) -> Result<(), TestCaseError> {
        let json = serde_json::to_string(&decision.status).expect("a status is JSON");
        self.status = serde_json::from_str(&json).expect("a status");
        prop_assert_eq!(&self.status, &decision.status, "the status does not survive its wire form");
        Ok(())
    }

    fn act(&mut self, decision: &Decision, step: &Step) {
        for effect in &decision.effects {
            self.witness.ask(effect);
        }
        self.world.replies.retain(|reply| !decision.ack.contains(&reply.id));
        for (effect, fate) in decision.effects.iter().zip(step.fates.iter().cycle()) {
            match fate.befall(|| self.world.act(effect)) {
                Some(result) => {
                    let failed = result.is_err();
                    self.outcomes.push(EffectOutcome { effect: effect.clone(), result });
                    if failed {
                        return;
                    }
                }
                None => {
                    self.outcomes.clear();
                    return;
                }
            }
        }
    }
}

fn any_spec() -> impl Strategy<Value = StatefulMigrationSpec> {
    (any::<bool>(), any::<bool>()).prop_map(|(retain_checkpoint, back)| {
        let mut spec = StatefulMigrationSpec { retain_checkpoint, ..spec() };
        spec.replay.on_deadline = if back { OnDeadline::Rollback } else { OnDeadline::Cutoff };
        spec
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is said, lost or broken, no decision does what the protocol does not allow; and where nobody lied, the
    /// migration ends once the trouble does.
    #[test]
    fn decides_only_what_the_protocol_allows(
        spec in any_spec(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(spec);
        for step in &steps {
            run.step(step)?;
        }
        // A source that hears nothing and consumes on is waited for as long as it does; a target that has to take over, too,
        // until a runtime restores it.
        (run.world.mute, run.world.restores_fresh) = (false, false);
        for _ in 0..CALM_TURNS_MAX {
            if run.status.phase.is_terminal() {
                break;
            }
            run.step(&calm())?;
        }
        let over = run.status.phase.is_terminal();
        prop_assert!(over || run.lied, "not over: {:#?}", run.status);
    }
}
