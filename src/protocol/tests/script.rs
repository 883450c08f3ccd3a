use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::world::{MIGRATION, World};
use crate::{
    api::{
        BrokerKind, BrokerSpec, Phase, SecretKey, StatefulMigrationSpec, StatefulMigrationStatus, TargetSpec,
        TransferSpec,
    },
    protocol::{
        Decision, Effect, EffectOutcome, Intervals, Migration, Observation, QueueView, decide, table,
    },
    registry::report::{ArchiveIdentity, Pushed, TransferReport},
};

/// A spec that nothing is wrong with.
pub(super) fn spec() -> StatefulMigrationSpec {
    StatefulMigrationSpec {
        source_pod: "counter".into(),
        container: None,
        uncarried_volumes: Vec::new(),
        target: TargetSpec { node_name: Some("n2".into()), node_selector: None },
        strategy: Default::default(),
        broker: BrokerSpec {
            kind: BrokerKind::RabbitMQ,
            url_secret: SecretKey { name: "s".into(), key: "url".into() },
            management_url_secret: Some(SecretKey { name: "s".into(), key: "management".into() }),
            queue: "orders".into(),
            bindings: Vec::new(),
        },
        transfer: TransferSpec {
            repository: "registry.example.com/checkpoints".into(),
            push_secret: None,
            image: None,
            ca_config_map: None,
        },
        replay: Default::default(),
        deadlines: Default::default(),
        attempts: Default::default(),
        retain_checkpoint: false,
    }
}

/// The termination message of a transfer Job that did its work.
pub(super) fn pushed() -> String {
    TransferReport::Pushed(Pushed {
        image: "registry.example.com/checkpoints@sha256:ab".into(),
        digest: "sha256:ab".into(),
        bytes: 7,
        attempts: 1,
        archive: ArchiveIdentity {
            container_id: "c1".into(),
            container_name: "main".into(),
            pod_uid: None,
            base_image: "registry.example.com/counter@sha256:cd".into(),
            checkpointed_at: None,
        },
        duration_ms: 3,
    })
    .to_line()
}

/// What is decided with the usual intervals.
pub(super) fn decide_as_usual(
    uid: &str,
    spec: &StatefulMigrationSpec,
    status: &StatefulMigrationStatus,
    seen: &Observation,
    now: Timestamp,
) -> Decision {
    decide(&Migration { uid, spec, status, intervals: &Intervals::default() }, seen, now)
}

/// What goes wrong with the operator when it comes to an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It dies after the status is written, before the effect is done.
    LostBefore,
    /// It dies after the effect, before it can note the outcome.
    LostAfter,
    /// The request is sent twice.
    Repeated,
    /// The status was written, but the operator dies before it acks any reply or does any effect.
    LostAfterWrite,
}

/// Drives a migration in a [`World`] the way `operator::reconcile` does, and checks what must hold at every write.
pub(super) struct Script {
    pub(super) world: World,
    pub(super) spec: StatefulMigrationSpec,
    pub(super) intervals: Intervals,
    pub(super) status: StatefulMigrationStatus,
    pub(super) now: Timestamp,
    pub(super) effects_done: u64,
    unowned_since: Option<Timestamp>,
    outcomes: Vec<EffectOutcome>,
    points_of_no_return: u32,
}

impl Script {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            spec: spec(),
            intervals: Intervals::default(),
            status: StatefulMigrationStatus::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            effects_done: 0,
            unowned_since: None,
            outcomes: Vec::new(),
            points_of_no_return: 0,
        }
    }

    /// One turn: observe, decide, write, ack, act, then the world moves. `fault` strikes at the effect of that number.
    pub(super) fn turn(&mut self, fault: Option<(u64, Fault)>) {
        let mut seen = self.world.observe();
        seen.outcomes = std::mem::take(&mut self.outcomes);
        self.unowned_since = QueueView::unowned_since(seen.primary.as_ref(), self.unowned_since, self.now);
        seen.unowned_since = self.unowned_since;
        let (spec, status, intervals) = (&self.spec, &self.status, &self.intervals);
        let migration = Migration { uid: MIGRATION, spec, status, intervals };
        let decision = decide(&migration, &seen, self.now);
        let again = decide(&migration, &seen, self.now);
        assert_eq!(decision, again, "the same input decides the same");
        self.write(&decision);
        let died_at_once = matches!(fault, Some((at, Fault::LostAfterWrite)) if !decision.effects.is_empty()
            && (self.effects_done..self.effects_done + decision.effects.len() as u64).contains(&at));
        if died_at_once {
            self.effects_done += decision.effects.len() as u64;
        } else {
            self.world.replies.retain(|reply| !decision.ack.contains(&reply.id));
            self.act(&decision.effects, fault);
        }
        assert!(self.world.owners() <= 1, "two owners in {:?}", self.status.phase);
        self.world.tick();
        // A reply wakes the operator; without one it sleeps until something is due.
        let busy = !self.world.replies.is_empty() || !self.outcomes.is_empty();
        let longest = if busy { Duration::from_millis(50) } else { Duration::from_secs(5) };
        let wait = decision.requeue_after.unwrap_or(longest).min(longest);
        self.now =
            self.now.checked_add(i64::try_from(wait.as_millis()).unwrap().max(1).milliseconds()).unwrap();
    }

    fn write(&mut self, decision: &Decision) {
        let old = self.status.handover.as_ref().and_then(|handover| handover.point_of_no_return);
        let new = decision.status.handover.as_ref().and_then(|handover| handover.point_of_no_return);
        assert!(old.is_none() || old == new, "the point of no return moved");
        if old.is_none() && new.is_some() {
            self.points_of_no_return += 1;
            assert_eq!(self.points_of_no_return, 1);
            let handover = decision.status.handover.as_ref().unwrap();
            let session = decision.status.target.as_ref().unwrap().session.clone();
            assert_eq!(handover.drained_session, session, "passed by another session than the current");
        }
        let known = self.status.phase_transitions.len();
        let mut from = self.status.phase;
        for transition in decision.status.phase_transitions.iter().skip(known.max(1)) {
            assert!(table::allows(from, transition.phase), "{from:?} -> {:?}", transition.phase);
            from = transition.phase;
        }
        assert_eq!(from, decision.status.phase);
        // What is durable is what JSON keeps.
        let json = serde_json::to_string(&decision.status).unwrap();
        self.status = serde_json::from_str(&json).unwrap();
        assert_eq!(self.status, decision.status, "the status does not survive its wire form");
    }

    fn act(&mut self, effects: &[Effect], fault: Option<(u64, Fault)>) {
        for effect in effects {
            let number = self.effects_done;
            self.effects_done += 1;
            let fault = fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
            if fault == Some(Fault::LostBefore) {
                self.outcomes.clear();
                return;
            }
            if let Effect::Command { body: ms2m_app::contract::CommandBody::TakeOver { .. }, .. } = effect {
                assert_eq!(self.points_of_no_return, 1, "TAKE_OVER before the point of no return");
            }
            let mut result = self.world.act(effect);
            if fault == Some(Fault::Repeated) {
                result = self.world.act(effect);
            }
            if fault == Some(Fault::LostAfter) {
                self.outcomes.clear();
                return;
            }
            self.outcomes.push(EffectOutcome { effect: effect.clone(), result });
        }
    }

    /// Turns until the migration is over; `each` may meddle before each turn.
    pub(super) fn run(&mut self, fault: Option<(u64, Fault)>, mut each: impl FnMut(u32, &mut Self)) {
        for turn in 0..4_000 {
            each(turn, self);
            self.turn(fault);
            if self.status.phase.is_terminal() && (!self.world.deletion_requested || !self.world.finalizer) {
                return;
            }
        }
        panic!("not over: {}", serde_json::to_string_pretty(&self.status).unwrap());
    }

    pub(super) fn assert_completed(&self) {
        assert_eq!(self.status.phase, Phase::Completed, "{:?}", self.status.outcome);
        assert!(self.world.source.is_none(), "the source is still there");
        assert!(self.world.shadow.as_ref().is_some_and(|shadow| shadow.owns), "the target does not own");
        assert_eq!(self.world.services_route_to, self.world.shadow.as_ref().unwrap().uid);
        assert_eq!(self.world.leftovers(), Vec::<&str>::new());
    }

    pub(super) fn assert_rolled_back(&self, reason: &str) {
        assert_eq!(self.status.phase, Phase::RolledBack, "{:?}", self.status.outcome);
        assert_eq!(self.status.outcome.as_ref().unwrap().reason, reason);
        assert!(self.world.source.as_ref().is_some_and(|source| source.owns), "the source does not own");
        assert!(self.world.shadow.is_none(), "the shadow is still there");
        assert_eq!(self.world.leftovers(), Vec::<&str>::new());
    }
}
