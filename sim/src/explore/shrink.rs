use std::{collections::BTreeSet, io};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Class, Outcome};
use crate::plan::{Fault, Knobs, Pace, Plan, Shape, Wording, Workload};

/// Makes a plan that breaks something smaller, as long as it breaks the same.
#[derive(Debug)]
pub struct Shrink<R> {
    /// What comes of a candidate.
    run: R,
    /// What the smallest plan so far breaks.
    breaks: (Class, String),
    /// Every plan that was run, as it is saved: the same one does the same again.
    tried: BTreeSet<String>,
}

/// Why a plan was not made smaller.
#[derive(Debug, thiserror::Error)]
pub enum NotShrunk {
    /// There is nothing to look for.
    #[error("the plan breaks nothing: every invariant holds")]
    Holds,
    /// A candidate could not be written.
    #[error("a smaller plan could not be written: {0}")]
    Scratch(#[from] io::Error),
}

/// The smallest plan that was found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What it breaks.
    pub breaks: String,
    /// How many runs that took.
    pub tried: u32,
}

impl<R: FnMut(&Plan) -> io::Result<Outcome>> Shrink<R> {
    /// Shrinks a plan; `run` tells what comes of one, `say` hears of each success.
    pub fn run(run: R, plan: &Plan, mut say: impl FnMut(&str)) -> Result<Shrunk, NotShrunk> {
        let mut shrink = Self { run, breaks: (Class::Holds, String::new()), tried: BTreeSet::new() };
        shrink.breaks = shrink.outcome(plan)?;
        if shrink.breaks.0 == Class::Holds {
            return Err(NotShrunk::Holds);
        }
        let mut smallest = plan.clone();
        let mut smaller = candidates(&smallest);
        let (mut at, mut in_vain) = (0, 0);
        while in_vain < smaller.len() {
            // It goes on where the last one was found, and comes round: what failed before that mostly fails again.
            at %= smaller.len();
            let (what, candidate) = &smaller[at];
            if shrink.breaks_the_same(candidate)? {
                let (faults, migrations) = (candidate.faults.len(), candidate.scenario.workloads.len());
                say(&format!("{what}: {faults} faults, {migrations} migrations"));
                smallest = candidate.clone();
                smaller = candidates(&smallest);
                in_vain = 0;
            } else {
                (at, in_vain) = (at + 1, in_vain + 1);
            }
        }
        let tried = u32::try_from(shrink.tried.len()).unwrap_or(u32::MAX);
        Ok(Shrunk { plan: smallest, breaks: shrink.breaks.1, tried })
    }

    /// Whether a plan that was not run yet does.
    fn breaks_the_same(&mut self, plan: &Plan) -> Result<bool, NotShrunk> {
        let is_new = plan.check().is_ok() && !self.tried.contains(&plan.to_json());
        Ok(is_new && self.outcome(plan)? == self.breaks)
    }

    fn outcome(&mut self, plan: &Plan) -> Result<(Class, String), NotShrunk> {
        self.tried.insert(plan.to_json());
        let outcome = (self.run)(plan)?;
        Ok((outcome.class, what_broke(&outcome)))
    }
}

/// What tells one bug from another of its class: the invariant that broke first, or how the run crashed.
fn what_broke(outcome: &Outcome) -> String {
    if outcome.class == Class::Crash {
        return how_it_crashed(&outcome.complaint);
    }
    outcome.summary.violations.first().map(|broken| broken.invariant.clone()).unwrap_or_default()
}

/// The place of its panic, without the message and the thread: these have numbers in them that may be others in a smaller plan.
fn how_it_crashed(complaint: &str) -> String {
    let panic = complaint.split_once("panicked at ").and_then(|(_, panic)| panic.lines().next());
    match panic {
        Some(place) => format!("a panic at {}", place.trim_end_matches(':')),
        None if complaint.starts_with("it hung") => "a hang".to_owned(),
        None => "a crash".to_owned(),
    }
}

/// Plans with a little less in them, the boldest first.
fn candidates(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let mut all = Vec::new();
    for index in 0..plan.faults.len() {
        let mut without = plan.clone();
        without.faults.remove(index);
        all.push(("without a fault", without));
    }
    for index in 0..plan.scenario.workloads.len() {
        if let Some(without) = without_workload(plan, index) {
            all.push(("without a migration", without));
        }
    }
    for index in 0..plan.scenario.workloads.len() {
        all.extend(without_last_round(plan, index).map(|without| ("without a later migration", without)));
    }
    for index in 0..plan.faults.len() {
        for (what, fault) in simpler_faults(&plan.faults[index]) {
            let mut simpler = plan.clone();
            simpler.faults[index] = fault;
            all.push((what, simpler));
        }
    }
    all.extend(simpler_scenarios(plan));
    all
}

/// What is about another migration moves up with it; what is about this one goes.
fn without_workload(plan: &Plan, index: usize) -> Option<Plan> {
    if plan.scenario.workloads.len() == 1 || plan.faults.iter().any(|fault| fault.at.workload == index) {
        return None;
    }
    let mut without = plan.clone();
    without.scenario.workloads.remove(index);
    for fault in &mut without.faults {
        fault.at.workload -= usize::from(fault.at.workload > index);
    }
    Some(without)
}

/// Faults that are about the last migration of a workload move to the one before.
fn without_last_round(plan: &Plan, index: usize) -> Option<Plan> {
    let mut without = plan.clone();
    let rounds = &mut without.scenario.workloads[index].rounds;
    *rounds = rounds.checked_sub(1).filter(|rounds| *rounds > 0)?;
    let last = *rounds - 1;
    for fault in without.faults.iter_mut().filter(|fault| fault.at.workload == index) {
        fault.at.round = fault.at.round.min(last);
    }
    Some(without)
}

fn simpler_faults(fault: &Fault) -> Vec<(&'static str, Fault)> {
    let mut at_once = fault.clone();
    at_once.at.after_ms = 0;
    let usual = Fault { lasts_ms: fault.kind.usual_ms(), ..fault.clone() };
    let shorter = Fault { lasts_ms: fault.lasts_ms / 2, ..fault.clone() };
    let mut simpler = vec![("a fault at its step", at_once)];
    // The usual duration reads best; but a longer fault is no smaller plan.
    if usual.lasts_ms < fault.lasts_ms {
        simpler.push(("a fault that lasts as usual", usual));
    }
    if shorter.lasts_ms >= 50 {
        simpler.push(("a shorter fault", shorter));
    }
    simpler
}

/// What makes a workload simpler, and how it is told.
type Simplify = (&'static str, fn(&mut Workload));

const SIMPLER: [Simplify; 12] = [
    ("nobody in a hurry", |workload| workload.hurry_ms = None),
    ("no owner", |workload| workload.owner = None),
    ("the usual toleration", |workload| workload.toleration_s = None),
    ("usual settings", |workload| workload.knobs = Knobs::default()),
    ("small messages", |workload| workload.padding = 0),
    ("no delay", |workload| workload.delay_ms = 0),
    ("usual prefetch", |workload| workload.prefetch = 16),
    ("usual work", |workload| workload.work_us = 4_000),
    ("the usual queue", |workload| workload.shape = Shape::default()),
    ("the usual wording", |workload| workload.wording = Wording::default()),
    ("one producer", |workload| workload.producers = 1),
    ("fewer messages", |workload| workload.rate = (workload.rate / 2.0).max(5.0).min(workload.rate)),
];

fn simpler_scenarios(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let change = |act: &dyn Fn(&mut Plan)| {
        let mut changed = plan.clone();
        act(&mut changed);
        changed
    };
    let workloads = 0..plan.scenario.workloads.len();
    let mut all = vec![("no mistake", change(&|plan| plan.scenario.mistake = None))];
    for (what, simplify) in SIMPLER {
        all.push((what, change(&|plan| plan.scenario.workloads.iter_mut().for_each(simplify))));
    }
    all.extend([
        ("usual pace", change(&|plan| plan.scenario.pace = Pace::default())),
        ("whole writes", change(&|plan| plan.scenario.fragmented = false)),
        ("kubelets by proxy", change(&|plan| plan.scenario.direct_kubelets = false)),
        ("usual latency", change(&|plan| plan.scenario.latency_us_max = 2_000)),
        ("a short warm-up", change(&|plan| plan.scenario.warm_up_ms = 500)),
    ]);
    all.extend(fewer_nodes(plan));
    // One by one, where not all at once; what is as usual already is a plan that was tried.
    for index in workloads {
        for (what, simplify) in SIMPLER {
            all.push((what, change(&|plan| simplify(&mut plan.scenario.workloads[index]))));
        }
        let workload = &plan.scenario.workloads[index];
        for knobs in one_field_less(&workload.knobs) {
            let with = change(&|plan| plan.scenario.workloads[index].knobs = knobs.clone());
            all.push(("a usual setting", with));
        }
        for shape in one_field_less(&workload.shape) {
            all.push(("a more usual queue", change(&|plan| plan.scenario.workloads[index].shape = shape)));
        }
        for wording in one_field_less(&workload.wording) {
            all.push((
                "a more usual wording",
                change(&|plan| plan.scenario.workloads[index].wording = wording),
            ));
        }
    }
    for pace in one_field_less(&plan.scenario.pace) {
        all.push(("a more usual pace", change(&|plan| plan.scenario.pace = pace.clone())));
    }
    all
}

/// All workloads on two nodes; or, where some have to be apart, or another node has a part in it, a node less that none of them
/// is on: those behind it move up.
fn fewer_nodes(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let nodes = plan.scenario.nodes;
    let of_all = |act: &dyn Fn(&mut Workload)| {
        let mut changed = plan.clone();
        changed.scenario.workloads.iter_mut().for_each(act);
        changed
    };
    let mut fewer = Vec::new();
    if nodes > 2 {
        let mut two = of_all(&|workload| (workload.source, workload.target) = (0, 1));
        two.scenario.nodes = 2;
        fewer.push(("two nodes", two));
    }
    let is_idle =
        |node: &usize| plan.scenario.workloads.iter().all(|w| w.source != *node && w.target != *node);
    if let Some(idle) = (0..nodes).rfind(is_idle) {
        let mut less = of_all(&|workload| {
            workload.source -= usize::from(workload.source > idle);
            workload.target -= usize::from(workload.target > idle);
        });
        less.scenario.nodes -= 1;
        fewer.push(("a node less", less));
    }
    fewer
}

/// The same with one of its fields as usual, for each that is not.
fn one_field_less<T: Serialize + DeserializeOwned + Default>(value: &T) -> Vec<T> {
    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (own, usual) = (fields(value), fields(&T::default()));
    let with_usual = |name: &String| {
        let mut fields = own.clone();
        match usual.get(name) {
            Some(value) => fields.insert(name.clone(), value.clone()),
            None => fields.remove(name),
        };
        serde_json::from_value(Value::Object(fields)).ok()
    };
    own.keys().filter(|name| own.get(*name) != usual.get(*name)).filter_map(with_usual).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        explore::Broken,
        plan::{FaultKind, Owner, QueueKind},
    };

    fn outcome(broken: Option<(Class, &str)>) -> Outcome {
        let mut outcome = Outcome {
            class: broken.map_or(Class::Holds, |(class, _)| class),
            summary: Default::default(),
            complaint: String::new(),
            wall: Duration::ZERO,
        };
        let violation = |name: &str| Broken { invariant: name.to_owned(), at_ms: 0, message: String::new() };
        outcome.summary.violations.extend(broken.map(|(_, name)| violation(name)));
        outcome
    }

    /// What breaks when the operator is killed in the first workload's second migration, while its producers are three.
    fn needs_two_things(plan: &Plan) -> Option<(Class, &'static str)> {
        let struck = |fault: &Fault| (fault.kind, fault.at.round) == (FaultKind::CrashOperator, 1);
        let fault = plan.faults.iter().any(struck);
        (fault && plan.scenario.workloads[0].producers == 3).then_some((Class::Safety, "NoLoss"))
    }

    #[test]
    fn what_a_plan_does_not_need_goes_and_what_it_needs_stays() {
        let mut plan = Plan::calm(7);
        let several = Workload { rounds: 3, producers: 3, padding: 2_000, rate: 80.0, ..Workload::default() };
        plan.scenario.workloads = vec![several, Workload::default()];
        plan.faults =
            ["kill-source@Mirroring", "crash-operator@Replaying+700ms#0.1~9s", "hold:traffic-broker@asked#1"]
                .map(|fault| fault.parse().expect("well written"))
                .to_vec();
        let mut said = Vec::new();
        let run = |candidate: &Plan| Ok(outcome(needs_two_things(candidate)));
        let shrunk = Shrink::run(run, &plan, |what| said.push(what.to_owned())).expect("it breaks");
        let faults: Vec<String> = shrunk.plan.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["crash-operator@Replaying#0.1~87ms"]);
        let [only] = shrunk.plan.scenario.workloads.as_slice() else { panic!("{:?}", shrunk.plan.scenario) };
        assert_eq!((only.rounds, only.producers, only.padding, only.rate), (2, 3, 0, 5.0));
        assert_eq!(only.knobs, Knobs::default());
        assert_eq!(shrunk.breaks, "NoLoss");
        assert!(said[0].starts_with("without a fault: 2 faults, 2 migrations"), "{said:?}");
        assert!(shrunk.tried > u32::try_from(said.len()).expect("a few"), "{} tried", shrunk.tried);
    }

    #[test]
    fn of_settings_of_which_one_is_needed_that_one_stays() {
        let mut plan = Plan::calm(7);
        plan.scenario.nodes = 4;
        let workload = &mut plan.scenario.workloads[0];
        (workload.hurry_ms, workload.toleration_s) = (Some(2_000), Some(9));
        (workload.knobs.settle, workload.knobs.shadows, workload.knobs.retain_checkpoint) = (70, 1, true);
        plan.scenario.pace.heartbeat_ms += 1;
        plan.scenario.pace.concurrency = 1;
        plan.scenario.pace.ask_again_percent = 300;
        plan.scenario.direct_kubelets = true;
        plan.scenario.workloads[0].wording = Wording { sidecar: true, bindings: true, ..Wording::default() };
        let needs = |plan: &Plan| {
            let workload = &plan.scenario.workloads[0];
            workload.knobs.shadows == 1 && workload.wording.sidecar && plan.scenario.pace.concurrency == 1
        };
        let run = |candidate: &Plan| Ok(outcome(needs(candidate).then_some((Class::Safety, "NoLoss"))));
        let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks").plan.scenario;
        let [only] = shrunk.workloads.as_slice() else { panic!("{shrunk:?}") };
        assert_eq!(only.knobs, Knobs { shadows: 1, ..Knobs::default() });
        assert_eq!(only.wording, Wording { sidecar: true, ..Wording::default() });
        assert_eq!(shrunk.pace, Pace { concurrency: 1, ..Pace::default() });
        assert!(!shrunk.direct_kubelets);
        assert_eq!((only.hurry_ms, only.toleration_s, shrunk.nodes), (None, None, 2));
    }

    #[test]
    fn what_one_of_several_workloads_needs_the_others_lose() {
        let mut plan = Plan::calm(7);
        let shape = Shape { dead_letters: true, queue: QueueKind::Quorum, ..Shape::default() };
        let owner = Some(Owner::Deployment);
        let workload = Workload { padding: 9, owner, toleration_s: Some(9), shape, ..Workload::default() };
        plan.scenario.workloads = vec![workload; 2];
        let needs = |plan: &Plan| match plan.scenario.workloads.as_slice() {
            [one, other] => {
                one.owner.is_some() && other.padding > 0 && other.shape.queue == QueueKind::Quorum
            }
            _ => false,
        };
        let run = |candidate: &Plan| Ok(outcome(needs(candidate).then_some((Class::Safety, "NoLoss"))));
        let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks").plan.scenario.workloads;
        let (rate, producers) = (5.0, 1);
        let one = Workload { rate, producers, owner, ..Workload::default() };
        let shape = Shape { queue: QueueKind::Quorum, ..Shape::default() };
        let other = Workload { rate, producers, padding: 9, shape, ..Workload::default() };
        assert_eq!(shrunk, [one, other]);
    }

    #[test]
    fn nodes_go_on_which_no_workload_is_and_what_needs_a_third_keeps_one() {
        for (least, nodes, moves) in [(2, 2, (0, 1)), (3, 3, (2, 1))] {
            let mut plan = Plan::calm(7);
            plan.scenario.nodes = 5;
            (plan.scenario.workloads[0].source, plan.scenario.workloads[0].target) = (4, 1);
            let needs = |plan: &Plan| plan.scenario.nodes >= least;
            let run = |candidate: &Plan| Ok(outcome(needs(candidate).then_some((Class::Safety, "NoLoss"))));
            let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks").plan.scenario;
            let workload = &shrunk.workloads[0];
            assert_eq!((shrunk.nodes, (workload.source, workload.target)), (nodes, moves));
        }
    }

    #[test]
    fn no_plan_is_run_twice_and_what_has_failed_is_not_tried_again_after_each_success() {
        let mut plan = Plan::calm(7);
        plan.faults =
            ["cancel@Pending", "kill-source@bound", "kill-target@Replaying+7ms", "hold:traffic-broker@asked"]
                .map(|fault| fault.parse().expect("well written"))
                .to_vec();
        let knobs = Knobs { replay: 9_000, settle: 70, shadows: 1, pending: 8_000, ..Knobs::default() };
        let workload =
            Workload { prefetch: 1, padding: 9, toleration_s: Some(9), knobs, ..Workload::default() };
        plan.scenario.workloads = vec![workload; 3];
        let needs = |plan: &Plan| {
            let workloads = &plan.scenario.workloads;
            plan.faults.len() > 1 && workloads.len() > 2 && workloads.iter().all(|w| w.knobs.replay == 9_000)
        };
        let mut seen = Vec::new();
        let run = |candidate: &Plan| {
            assert!(!seen.contains(candidate), "run again: {candidate:?}");
            seen.push(candidate.clone());
            Ok(outcome(needs(candidate).then_some((Class::Safety, "NoLoss"))))
        };
        let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks");
        assert_eq!(shrunk.plan.scenario.workloads[0].knobs, Knobs { replay: 9_000, ..Knobs::default() });
        assert!(shrunk.tried < 60, "{} tried", shrunk.tried);
    }

    #[test]
    fn a_crash_elsewhere_is_another_bug() {
        let plan = Plan::calm(1)
            .with("kill-source@Mirroring".parse().expect("well written"))
            .with("kill-target@Replaying".parse().expect("well written"))
            .with("cancel@Pending".parse().expect("well written"));
        let run = |candidate: &Plan| {
            let faults = candidate.faults.len();
            let complaint = match faults {
                2.. => format!("thread 'sim-1' ({faults}) panicked at sim/src/a.rs:7:9:\n{faults} is odd"),
                _ => "thread 'sim-1' (3) panicked at sim/src/b.rs:7:9:\n3 is odd".to_owned(),
            };
            Ok(Outcome { complaint, ..outcome(Some((Class::Crash, ""))) })
        };
        let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks");
        assert_eq!((shrunk.plan.faults.len(), shrunk.breaks.as_str()), (2, "a panic at sim/src/a.rs:7:9"));
        assert_eq!(how_it_crashed("it hung; INFO begun"), "a hang");
        assert_eq!(how_it_crashed("memory allocation failed"), "a crash");
    }

    #[test]
    fn another_invariant_is_another_bug() {
        let plan = Plan::calm(1)
            .with("kill-source@Mirroring".parse().expect("well written"))
            .with("kill-target@Replaying".parse().expect("well written"));
        let run = |candidate: &Plan| {
            Ok(outcome(Some(match candidate.faults.len() {
                2 => (Class::Safety, "NoLoss"),
                1 => (Class::Safety, "Order"),
                _ => (Class::Liveness, "NoLoss"),
            })))
        };
        let shrunk = Shrink::run(run, &plan, |_| {}).expect("it breaks");
        assert_eq!(shrunk.plan.faults, plan.faults);
    }

    #[test]
    fn a_plan_that_breaks_nothing_is_not_shrunk() {
        let shrunk = Shrink::run(|_: &Plan| Ok(outcome(None)), &Plan::calm(1), |_| {});
        assert!(matches!(shrunk, Err(NotShrunk::Holds)), "{shrunk:?}");
        let full = Shrink::run(|_: &Plan| Err(io::Error::other("no space")), &Plan::calm(1), |_| {});
        assert!(full.is_err_and(|error| error.to_string().contains("no space")));
    }

    #[test]
    fn every_candidate_is_a_plan_that_makes_sense() {
        for seed in 0..100 {
            for (what, candidate) in candidates(&Plan::random(seed)) {
                assert_eq!(candidate.check(), Ok(()), "{what}");
            }
        }
    }

    #[test]
    fn what_is_about_a_later_migration_moves_up_with_it() {
        let seeds = 0..1_000;
        let several = seeds.map(Plan::random).find(|plan| {
            plan.scenario.workloads.len() > 2
                && plan.faults.iter().all(|fault| fault.at.workload != 0)
                && plan.faults.iter().any(|fault| fault.at.workload == 1)
        });
        let several = several.expect("one of a thousand plans is like that");
        let without = without_workload(&several, 0).expect("no fault is about it");
        assert_eq!(without.scenario.workloads[..], several.scenario.workloads[1..]);
        for (was, is) in several.faults.iter().zip(&without.faults) {
            assert_eq!(is.at.workload + 1, was.at.workload);
        }
    }
}
