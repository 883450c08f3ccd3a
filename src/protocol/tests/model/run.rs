//! The system under test: `decide`, the status that it writes, and the world that it acts on.

use jiff::{Timestamp, ToSpan};
use ms2m_app::contract::Reply;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{
    course::{self, Course},
    meddling::{Meddling, Step, calm, said},
    outside::{Outside, Trouble},
    rules::{Turn, Verdict, passed},
    witness::Witness,
};
use crate::{
    api::{ConditionStatus, Phase, StatefulMigrationSpec, StatefulMigrationStatus, condition, reason},
    protocol::{
        Decision, EffectOutcome, QueueView,
        tests::{
            script::decide_as_usual,
            world::{App, MIGRATION, World},
        },
    },
};

/// How many turns without trouble a migration may take to its end.
const CALM_TURNS_MAX: u32 = 1_500;
/// How many of them what only somebody else can mend stays as it is: more than ten shadows take to come and go.
const UNMENDED_TURNS: u32 = 400;

pub(super) struct Run {
    world: World,
    spec: StatefulMigrationSpec,
    status: StatefulMigrationStatus,
    now: Timestamp,
    /// Since when the operator hears what is said.
    listening_since: Option<Timestamp>,
    /// Since when it sees nobody consume the queue.
    unowned_since: Option<Timestamp>,
    outcomes: Vec<EffectOutcome>,
    witness: Witness,
    heard: Vec<Reply>,
    /// What the last decision asked for, by one word each.
    asked: Vec<&'static str>,
}

impl Run {
    pub(super) fn new(spec: StatefulMigrationSpec) -> Self {
        Self {
            world: World::new(),
            spec,
            status: StatefulMigrationStatus::default(),
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            listening_since: None,
            unowned_since: None,
            outcomes: Vec::new(),
            witness: Witness::default(),
            heard: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(super) fn meddle(&mut self, meddling: &Meddling) {
        meddling.strike(&mut self.world, &self.status, &self.heard);
    }

    pub(super) fn turn(&mut self, step: &Step, outside: &Outside) -> Verdict {
        let honest = !outside.saw(Trouble::Lied);
        let mut seen = self.world.observe();
        seen.outcomes = std::mem::take(&mut self.outcomes);
        step.veil(&mut seen);
        self.listening_since = seen.listening_since.and(self.listening_since.or(Some(self.now)));
        seen.listening_since = self.listening_since;
        self.unowned_since = QueueView::unowned_since(seen.primary.as_ref(), self.unowned_since, self.now);
        seen.unowned_since = self.unowned_since;
        self.heard.extend(said(&seen.replies));
        self.witness.hear(&self.status, &seen, self.now);
        let decision = decide_as_usual(MIGRATION, &self.spec, &self.status, &seen, self.now);
        let (before, witness) = (&self.status, &self.witness);
        let (spec, now) = (&self.spec, self.now);
        let turn = Turn { spec, before, seen: &seen, now, decision: &decision, witness, honest };
        turn.check().map_err(|error| {
            TestCaseError::fail(format!("{error}\nseen {seen:#?}\nbefore {before:#?}\ndecided {decision:#?}"))
        })?;
        self.write(&decision)?;
        self.act(&decision, step);
        prop_assert!(!honest || self.world.owners() <= 1, "two owners in {:?}", self.status.phase);
        self.world.tick();
        self.now = self.now.checked_add(step.wait_ms.milliseconds()).expect("a time");
        Ok(())
    }

    /// What is durable is what JSON keeps: every turn may be another operator's.
    fn write(&mut self, decision: &Decision) -> Verdict {
        let json = serde_json::to_string(&decision.status).expect("a status is JSON");
        self.status = serde_json::from_str(&json).expect("a status");
        prop_assert_eq!(&self.status, &decision.status, "the status does not survive its wire form");
        Ok(())
    }

    fn act(&mut self, decision: &Decision, step: &Step) {
        self.asked = decision.effects.iter().map(course::word).collect();
        for effect in &decision.effects {
            self.witness.ask(effect, self.now);
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

    /// What the reference knows of where the migration is by now.
    pub(super) fn is_where_it_may_be(&self, outside: &Outside) -> Verdict {
        let status = &self.status;
        self.keeps_to_the_course(outside).map_err(|error| {
            TestCaseError::fail(format!("{error}\nasked {:?}\nstatus {status:#?}", self.asked))
        })?;
        if outside.saw(Trouble::Lied) {
            return Ok(());
        }
        let turns = outside.turns;
        prop_assert!(turns >= course::turns_into(status.phase), "{:?} after {turns} turns", status.phase);
        prop_assert!(!passed(status) || turns >= course::turns_past_return(), "passed after {turns} turns");
        self.is_excused(outside)
    }

    /// What a migration is given up for has happened.
    fn is_excused(&self, outside: &Outside) -> Verdict {
        if let Some(abort) = &self.status.abort {
            prop_assert!(outside.excuses(&abort.reason), "{:?}, and nothing like that happened", abort);
        }
        if self.status.phase == Phase::Failed {
            let lost = [Trouble::SourceLost, Trouble::ReplayLost, Trouble::TargetLacked];
            let lost = lost.into_iter().any(|trouble| outside.saw(trouble));
            prop_assert!(lost, "nothing was lost, and a person is needed: {:?}", self.status.outcome);
        }
        Ok(())
    }

    fn keeps_to_the_course(&self, outside: &Outside) -> Verdict {
        let status = &self.status;
        let abort = status.abort.as_ref().map(|abort| abort.reason.as_str());
        match &outside.course {
            Course::Back => prop_assert_eq!(abort, Some(reason::CANCELLED)),
            Course::Forward { .. } | Course::Disturbed => {}
        }
        let Some((phase, is_passed, asks)) = outside.course.expects() else { return Ok(()) };
        prop_assert_eq!((status.phase, passed(status), abort), (phase, is_passed, None));
        let ends = phase == Phase::Completed && outside.saw(Trouble::Cancelled);
        let asks = if ends && self.world.deletion_requested { &["RemoveFinalizer"] } else { asks };
        // A cancellation that has just come is not decided about yet.
        prop_assert!(self.asked == asks || (ends && self.asked.is_empty()), "not {:?}", asks);
        prop_assert!(!self.is_degraded(|_| true), "nothing is wrong, and something is said to be");
        Ok(())
    }

    fn is_degraded(&self, by: impl Fn(&str) -> bool) -> bool {
        self.status.conditions.iter().any(|known| {
            known.type_ == condition::DEGRADED && known.status == ConditionStatus::True && by(&known.reason)
        })
    }

    /// Turns without trouble, until it is over.
    pub(super) fn comes_to_an_end(&mut self, outside: &Outside) -> Verdict {
        let unmended =
            self.calms_down(outside, |turns, run| turns < UNMENDED_TURNS || !run.needs_mending())?;
        if unmended && !outside.saw(Trouble::Lied) {
            prop_assert!(self.needs_mending(), "not over: {:#?}", self.status);
            let told = self.world.mute || self.is_degraded(|known| known == reason::RESTORED_FRESH);
            prop_assert!(told, "no shadow has the RAM, and nobody is told: {:#?}", self.status);
        }
        (self.world.mute, self.world.restores_fresh) = (false, false);
        let goes_on = self.calms_down(outside, |_, _| true)?;
        if outside.saw(Trouble::Lied) {
            return Ok(());
        }
        prop_assert!(!goes_on, "not over: {:#?}", self.status);
        self.is_excused(outside)?;
        self.leaves_the_world_as_it_says(outside)
    }

    /// Whether it goes on after that many turns, or when it is no longer to be waited for.
    fn calms_down(
        &mut self,
        outside: &Outside,
        waits: impl Fn(u32, &Self) -> bool,
    ) -> Result<bool, TestCaseError> {
        let mut turns = 0;
        while !self.status.phase.is_terminal() {
            if turns == CALM_TURNS_MAX || !waits(turns, self) {
                return Ok(true);
            }
            self.turn(&calm(), outside)?;
            turns += 1;
        }
        Ok(false)
    }

    /// A source that hears nothing and consumes on is waited for as long as it does; a target that has to take over, too,
    /// until a runtime restores it.
    fn needs_mending(&self) -> bool {
        let unheard = self.world.mute && self.world.source.as_ref().is_some_and(|source| !source.ended);
        unheard || (self.world.restores_fresh && passed(&self.status))
    }

    /// What is over has left the world as its outcome says.
    fn leaves_the_world_as_it_says(&self, outside: &Outside) -> Verdict {
        let (phase, world) = (self.status.phase, &self.world);
        let expected = outside.comes_to();
        prop_assert!(expected.is_none_or(|expected| expected == phase), "{phase:?}, not {expected:?}");
        let (source_lost, shadow_lost) = (outside.saw(Trouble::SourceLost), outside.saw(Trouble::ShadowLost));
        let owns = |app: &Option<App>| app.as_ref().is_some_and(|app| app.owns);
        match phase {
            Phase::Completed => {
                prop_assert!(world.source.is_none(), "the source is still there");
                let target = world.shadow.as_ref().map(|shadow| shadow.uid.as_str());
                let takes = owns(&world.shadow) && target == Some(world.services_route_to.as_str());
                prop_assert!(takes || shadow_lost, "the target has not taken over");
            }
            Phase::RolledBack => {
                prop_assert!(owns(&world.source) || source_lost, "the source does not own its queue");
                prop_assert!(world.shadow.is_none(), "the shadow is still there");
            }
            _ => return Ok(()),
        }
        let cleanup = self.status.cleanup.clone().unwrap_or_default();
        let mut left = world.leftovers();
        left.retain(|left| match *left {
            "archive" | "image" => cleanup.checkpoint_left.is_none(),
            // Of a pod that nobody has seen, or that went when nobody looked any more.
            "control queue of a pod that is gone" => !source_lost && !shadow_lost,
            _ => true,
        });
        prop_assert_eq!(left, Vec::<&str>::new());
        Ok(())
    }
}
