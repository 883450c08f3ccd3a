//! A seed's plan. The scenario, the faults and the owners are drawn by generators of their own: the same world can be run
//! with other faults, and a new kind of fault changes no scenario.

use fastrand::Rng;
use ms2m::api::OnDeadline;

use super::{
    Bound, ExchangeKind, Fault, FaultKind, Knobs, Link, Moment, Owner, Pace, Plan, QueueKind, SECOND_MS,
    Scenario, Shape, Step, TargetBy, Wording, Workload, directed, story,
};
use crate::world::Mistake;

/// More than the operator acts at the broker in a calm migration; what is tried again takes more.
const ACTS: u32 = 24;
/// One seed in so many tells a story besides.
const TO_A_STORY: u8 = 4;
/// In one of so many seeds a second operator works beside the first for a while.
const TO_ANOTHER_OPERATOR: u8 = 6;

impl Plan {
    /// The plan of a seed.
    pub fn random(seed: u64) -> Self {
        let scenario = Scenario::random(seed);
        let mut rng = generator(seed, 2);
        let count = *choose(&mut rng, &[0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6]);
        let mut faults: Vec<Fault> = (0..count).flat_map(|_| faults(&mut rng, &scenario.workloads)).collect();
        let mut stories = generator(seed, 4);
        if stories.u8(..TO_A_STORY) == 0 {
            let workload = stories.usize(..scenario.workloads.len());
            let round = scenario.workloads[workload].rounds - 1;
            faults.extend(story::story(&mut stories, workload, round));
        }
        let mut operators = generator(seed, 11);
        if operators.u8(..TO_ANOTHER_OPERATOR) == 0 {
            faults.extend(another_operator(&mut operators, &scenario.workloads));
        }
        faults.extend(late_records(&mut generator(seed, 15), &scenario.workloads));
        faults.extend(unheard_answer(&mut generator(seed, 17), &scenario.workloads));
        if scenario.mistake.is_some_and(Mistake::needs_calm) {
            faults.clear();
        }
        Self { scenario, faults }
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn random(seed: u64) -> Self {
        let mut rng = generator(seed, 1);
        let nodes = rng.usize(2..=4);
        let many = generator(seed, 6).usize(5..=8);
        let count = *choose(&mut rng, &[1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, many]);
        let mut workloads: Vec<Workload> = (0..count).map(|_| workload(&mut rng, nodes, count)).collect();
        let mut owners = generator(seed, 3);
        for workload in &mut workloads {
            workload.owner = owner(&mut owners);
        }
        let mut attempts = generator(seed, 7);
        for knobs in workloads.iter_mut().map(|workload| &mut workload.knobs) {
            knobs.checkpoints = *choose(&mut attempts, &[1, 2, 5, 5, 5, 10]);
            knobs.shadows = *choose(&mut attempts, &[1, 2, 3, 3, 3, 6]);
        }
        let mut tolerations = generator(seed, 10);
        for workload in &mut workloads {
            workload.toleration_s = tolerations.bool().then(|| tolerations.u32(1..=30));
        }
        let mut shapes = generator(seed, 9);
        if shapes.bool() {
            for workload in &mut workloads {
                workload.shape = shape(&mut shapes);
            }
        }
        let mut hurries = generator(seed, 12);
        for workload in &mut workloads {
            workload.hurry_ms =
                hurry(&mut hurries).filter(|_| workload.rounds == 1 && workload.owner.is_none());
        }
        let mut wordings = generator(seed, 13);
        if wordings.bool() {
            for workload in &mut workloads {
                workload.wording = wording(&mut wordings);
            }
        }
        let mistake = mistake(&mut generator(seed, 5)).filter(|_| count == 1);
        if mistake.is_some() {
            (workloads[0].rounds, workloads[0].hurry_ms, workloads[0].owner) = (1, None, None);
            (workloads[0].shape, workloads[0].wording) = (Shape::default(), Wording::default());
        }
        Self {
            seed,
            nodes,
            workloads,
            warm_up_ms: rng.u64(200..=3_000),
            latency_us_max: *choose(&mut rng, &[1_000, 2_000, 2_000, 10_000, 40_000]),
            fragmented: rng.u8(..4) == 0,
            pace: Pace {
                ask_again_percent: ask_again_percent(&mut generator(seed, 16)),
                ..pace(&mut generator(seed, 8))
            },
            direct_kubelets: generator(seed, 14).u8(..4) == 0,
            mistake,
        }
    }
}

/// Neighbouring seeds, and the generators of one seed, have nothing in common.
fn generator(seed: u64, stream: u64) -> Rng {
    Rng::with_seed((seed ^ stream.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream)
}

/// One of them, each as likely as the next.
pub(super) fn choose<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

/// From `low` to `high`, every order of magnitude as likely as the next.
fn spread(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low * (high / low).powf(rng.f64())
}

fn spread_ms(rng: &mut Rng, low: u32, high: u32) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two u32")]
    let value = spread(rng, f64::from(low), f64::from(high)) as u64;
    value
}

fn workload(rng: &mut Rng, nodes: usize, count: usize) -> Workload {
    let source = rng.usize(..nodes);
    let target = (source + rng.usize(1..nodes)) % nodes;
    // What the machine has to simulate stays bounded, however many there are.
    let rate = (spread(rng, 2.0, 120.0) / count as f64).max(1.0).round();
    // Mostly faster than messages arrive, sometimes about as fast, now and then slower.
    let load = *choose(rng, &[0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.9, 1.2]);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a second and a half")]
    let work_us = (load / rate * 1e6) as u64;
    Workload {
        source,
        target,
        rate,
        producers: rng.u32(1..=6),
        work_us: work_us.min(150_000),
        prefetch: *choose(rng, &[1, 2, 8, 16, 64, 250]),
        padding: *choose(rng, &[0, 0, 0, 100, 2_000, 40_000]),
        delay_ms: rng.u64(..=4_000),
        // What an earlier migration left behind, in a process or a queue, shows only in a later one.
        rounds: if count > 4 { 1 } else { *choose(rng, &[1, 1, 1, 1, 1, 1, 2, 2, 3]) },
        hurry_ms: None,
        owner: None,
        toleration_s: None,
        shape: Shape::default(),
        wording: Wording::default(),
        knobs: knobs(rng),
    }
}

/// Seldom: what has an owner is refused, and then there is little to see.
fn owner(rng: &mut Rng) -> Option<Owner> {
    match rng.u8(..32) {
        0 => Some(Owner::StatefulSet),
        1 => Some(Owner::Deployment),
        _ => None,
    }
}

/// How soon after a migration somebody asks for another one of the same pod, who does not wait for its end. The creation of an
/// object is known to the second: in the same one, nobody can tell which of two is the older.
fn hurry(rng: &mut Rng) -> Option<u64> {
    let is_within_a_second = rng.bool();
    (rng.u8(..8) == 0)
        .then(|| if is_within_a_second { rng.u64(50..500) } else { spread_ms(rng, 1_000, 30_000) })
}

/// Seldom, as there is little to see; but there are many of them.
fn mistake(rng: &mut Rng) -> Option<Mistake> {
    (rng.u8(..8) == 0).then(|| *choose(rng, &Mistake::ALL))
}

fn knobs(rng: &mut Rng) -> Knobs {
    Knobs {
        max_pause: spread_ms(rng, 50, 3_000),
        replay: spread_ms(rng, 2_000, 60_000),
        on_deadline: if rng.u8(..3) == 0 { OnDeadline::Rollback } else { OnDeadline::Cutoff },
        settle: spread_ms(rng, 50, 2_000),
        pending: rng.u64(10_000..=30_000),
        mirroring: rng.u64(10_000..=60_000),
        checkpointing: rng.u64(10_000..=60_000),
        transferring: rng.u64(15_000..=60_000),
        restoring: rng.u64(15_000..=60_000),
        switching_over: rng.u64(15_000..=90_000),
        retain_checkpoint: rng.u8(..8) == 0,
        ..Knobs::default()
    }
}

/// Half of the worlds are as usual: what is found in one of them is easier to understand.
fn pace(rng: &mut Rng) -> Pace {
    if rng.bool() {
        return Pace::default();
    }
    Pace {
        concurrency: *choose(rng, &[1, 2, 4, 16]),
        broker_deadline_ms: spread_ms(rng, 1_500, 10_000),
        controllers_ms: spread_ms(rng, 1, 1_000),
        heartbeat_ms: spread_ms(rng, 1_000, 10_000),
        watch_s: rng.u32(3..=12),
        start_ms: spread_ms(rng, 50, 4_000),
        restore_ms: spread_ms(rng, 50, 6_000),
        freeze_ms: spread_ms(rng, 5, 2_000),
        write_ms: spread_ms(rng, 10, 4_000),
        segment_bytes: *choose(rng, &[None, None, Some(256), Some(536), Some(1_460), Some(16_384)]),
        ..Pace::default()
    }
}

/// In two thirds of the worlds the operator is as it ships.
fn ask_again_percent(rng: &mut Rng) -> u32 {
    if rng.u8(..3) > 0 {
        return Pace::default().ask_again_percent;
    }
    *choose(rng, &[25, 50, 200, 300])
}

fn shape(rng: &mut Rng) -> Shape {
    Shape {
        exchange: *choose(rng, &ExchangeKind::ALL),
        bound: *choose(rng, &Bound::ALL),
        queue: *choose(rng, &QueueKind::ALL),
        dead_letters: rng.bool(),
    }
}

fn wording(rng: &mut Rng) -> Wording {
    Wording {
        target: *choose(rng, &[TargetBy::Name, TargetBy::Labels]),
        sidecar: rng.u8(..4) == 0,
        bindings: rng.u8(..4) == 0,
    }
}

/// A fault, and what must break with it for it to matter.
fn faults(rng: &mut Rng, workloads: &[Workload]) -> Vec<Fault> {
    let kind = kind(rng);
    let steps = directed::steps(kind);
    let (step, after_ms) = match rng.u8(..8) {
        0..=5 if kind.lies_in_wait() => (*choose(rng, &steps), 0),
        0..=3 => (*choose(rng, &steps), 0),
        4 => (*choose(rng, &steps), spread_ms(rng, 5, 3_000)),
        5 | 6 if rng.bool() => (Step::Act(rng.u32(1..=ACTS)), 0),
        5 | 6 => (Step::Write(rng.u32(1..60)), 0),
        _ => (Step::Asked, rng.u64(..20_000)),
    };
    // Seldom so long that whoever waits for it gives up.
    let longest = if rng.u8(..12) == 0 { 300_000 } else { 40_000 };
    let lasts_ms = if kind.lasts() { spread_ms(rng, 50, longest) } else { 0 };
    let workload = rng.usize(..workloads.len());
    let round = rng.u32(..workloads[workload].rounds);
    let fault = Fault { at: Moment { workload, round, step, after_ms }, kind, lasts_ms };
    let mut faults = directed::companions(rng, &fault);
    faults.push(fault);
    if round > 0 && rng.bool() {
        faults.extend(directed::echo(rng, workload, round));
    }
    faults
}

/// Of two migrations that are asked for in the same moment, what the first writes down of its checks, which comes after its
/// finalizer, mostly comes late: else the other sees it before it has looked at anything.
fn late_records(rng: &mut Rng, workloads: &[Workload]) -> Vec<Fault> {
    let is_within_a_second = |workload: &Workload| workload.hurry_ms.is_some_and(|ms| ms < SECOND_MS);
    let hurried = workloads.iter().position(is_within_a_second);
    let Some(workload) = hurried.filter(|_| rng.u8(..4) > 0) else { return Vec::new() };
    let fault = |kind, lasts_ms| {
        let at = Moment { workload, round: 0, step: Step::Write(1), after_ms: 0 };
        Fault { at, kind, lasts_ms }
    };
    let mut faults = vec![fault(FaultKind::DelayStatus, 0)];
    // Where the source answers late, too, both have written it down before either begins.
    if rng.u8(..4) > 0 {
        faults.push(fault(FaultKind::Hold(Link::SourceBroker), rng.u64(3_000..6_000)));
    }
    faults
}

/// Now and then the operator is away when the source says that it has stopped, for about as long as it takes to count as silent.
/// What the operator has not heard shows in the next migration.
fn unheard_answer(rng: &mut Rng, workloads: &[Workload]) -> Vec<Fault> {
    let again = workloads.iter().position(|workload| workload.rounds > 1);
    let Some(workload) = again.filter(|_| rng.u8(..3) == 0) else { return Vec::new() };
    let round = rng.u32(..workloads[workload].rounds - 1);
    let away = [
        FaultKind::CrashOperator,
        FaultKind::FreezeOperator,
        FaultKind::ReplaceOperator,
        FaultKind::Partition(Link::OperatorApi),
        FaultKind::PartitionFrom(Link::OperatorApi),
    ];
    let at = Moment { workload, round, step: Step::StopSent, after_ms: rng.u64(..40) };
    vec![Fault { at, kind: *choose(rng, &away), lasts_ms: rng.u64(15_000..40_000) }]
}

/// Every kind about no link, but for those that are drawn by themselves.
fn others() -> Vec<FaultKind> {
    let by_itself = [FaultKind::AnotherOperator, FaultKind::ReplaceOperator];
    FaultKind::simple().iter().copied().filter(|kind| !by_itself.contains(kind)).collect()
}

/// A second operator, and mostly something that keeps the first from its Lease for long enough that the second takes it.
fn another_operator(rng: &mut Rng, workloads: &[Workload]) -> Vec<Fault> {
    let step = *choose(rng, &Step::all());
    let after_ms = if rng.bool() { 0 } else { spread_ms(rng, 5, 3_000) };
    let workload = rng.usize(..workloads.len());
    let round = rng.u32(..workloads[workload].rounds);
    let at = Moment { workload, round, step, after_ms };
    let lasts_ms = spread_ms(rng, 1_000, 90_000);
    let fault = |kind, lasts_ms| Fault { at, kind, lasts_ms };
    let cut_off = [
        FaultKind::FreezeOperator,
        FaultKind::Partition(Link::OperatorApi),
        FaultKind::PartitionTo(Link::OperatorApi),
        FaultKind::PartitionFrom(Link::OperatorApi),
        FaultKind::Hold(Link::OperatorApi),
    ];
    match rng.u8(..4) {
        0 => vec![fault(FaultKind::AnotherOperator, lasts_ms)],
        1 => vec![fault(FaultKind::ReplaceOperator, lasts_ms)],
        _ => vec![
            fault(FaultKind::AnotherOperator, lasts_ms),
            fault(*choose(rng, &cut_off), spread_ms(rng, 5_000, 60_000)),
        ],
    }
}

fn kind(rng: &mut Rng) -> FaultKind {
    let link = *choose(rng, &Link::ALL);
    match rng.u8(..20) {
        0 | 1 => FaultKind::Hold(link),
        2 => FaultKind::Partition(link),
        3 => FaultKind::PartitionTo(link),
        4 => FaultKind::PartitionFrom(link),
        5 => FaultKind::Slow(link),
        6 | 7 => FaultKind::CrashOperator,
        8 => FaultKind::CrashBroker,
        // What a broker may do, and hardly ever does.
        9 => FaultKind::LateBindings,
        10 => FaultKind::RepeatControl,
        11 => FaultKind::CompactHistory,
        _ => *choose(rng, &others()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_has_one_plan_which_survives_being_saved() {
        for seed in 0..200 {
            let plan = Plan::random(seed);
            assert_eq!(plan, Plan::random(seed));
            assert_eq!(plan.check(), Ok(()));
            assert_eq!(serde_json::from_str::<Plan>(&plan.to_json()).unwrap(), plan);
        }
    }

    #[test]
    fn the_scenario_does_not_depend_on_the_faults() {
        let plans: Vec<Plan> = (0..200).map(Plan::random).collect();
        assert!(
            plans.iter().any(|plan| plan.faults.len() > 3) && plans.iter().any(|plan| plan.faults.is_empty())
        );
        for (seed, plan) in (0..).zip(&plans) {
            assert_eq!(plan.scenario, Scenario::random(seed));
        }
    }

    #[test]
    fn every_shape_comes_up_and_half_of_the_worlds_are_as_usual() {
        let scenarios: Vec<Scenario> = (0..4_000).map(Scenario::random).collect();
        let shapes: Vec<Shape> = scenarios
            .iter()
            .flat_map(|scenario| &scenario.workloads)
            .map(|workload| workload.shape)
            .collect();
        let exchanges: BTreeSet<ExchangeKind> = shapes.iter().map(|shape| shape.exchange).collect();
        assert_eq!(exchanges, ExchangeKind::ALL.into());
        let bound: BTreeSet<Bound> = shapes.iter().map(|shape| shape.bound).collect();
        assert_eq!(bound, Bound::ALL.into());
        let queues: BTreeSet<QueueKind> = shapes.iter().map(|shape| shape.queue).collect();
        assert_eq!(queues, QueueKind::ALL.into());
        assert!(shapes.iter().any(|shape| shape.dead_letters));
        let is_usual = |scenario: &&Scenario| scenario.workloads.iter().all(|w| w.shape == Shape::default());
        let usual = scenarios.iter().filter(is_usual).count();
        assert!((1_900..2_300).contains(&usual), "{usual}");
    }

    #[test]
    fn every_wording_comes_up_and_half_of_the_worlds_are_as_usual() {
        let scenarios: Vec<Scenario> = (0..4_000).map(Scenario::random).collect();
        let wordings = |scenario: &Scenario| -> Vec<Wording> {
            scenario.workloads.iter().map(|workload| workload.wording).collect()
        };
        let all: BTreeSet<(TargetBy, bool, bool)> = scenarios
            .iter()
            .flat_map(&wordings)
            .map(|wording| (wording.target, wording.sidecar, wording.bindings))
            .collect();
        assert_eq!(all.len(), 8);
        let is_usual = |scenario: &&Scenario| wordings(scenario).iter().all(|w| *w == Wording::default());
        let usual = scenarios.iter().filter(is_usual).count();
        assert!((2_300..2_900).contains(&usual), "{usual}");
        let direct = scenarios.iter().filter(|scenario| scenario.direct_kubelets).count();
        assert!((900..1_100).contains(&direct), "{direct}");
    }

    #[test]
    fn every_interval_comes_up_and_two_thirds_of_the_worlds_have_the_usual_ones() {
        let percents: Vec<u32> =
            (0..4_000).map(|seed| Scenario::random(seed).pace.ask_again_percent).collect();
        let usual = percents.iter().filter(|percent| **percent == 100).count();
        assert!((2_550..2_800).contains(&usual), "{usual}");
        for percent in [25, 50, 200, 300] {
            let drawn = percents.iter().filter(|drawn| **drawn == percent).count();
            assert!((250..420).contains(&drawn), "{percent} %: {drawn}");
        }
    }

    #[test]
    fn every_kind_every_step_every_owner_and_every_mistake_comes_up() {
        let faults: Vec<Fault> = (0..4_000).flat_map(|seed| Plan::random(seed).faults).collect();
        let kinds: BTreeSet<FaultKind> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, FaultKind::all().into_iter().collect());
        let steps: BTreeSet<Step> = faults.iter().map(|fault| fault.at.step).collect();
        assert!(Step::all().iter().all(|step| steps.contains(step)));
        let owners: BTreeSet<Option<Owner>> = (0..4_000)
            .flat_map(|seed| Plan::random(seed).scenario.workloads)
            .map(|workload| workload.owner)
            .collect();
        assert_eq!(owners, BTreeSet::from([None, Some(Owner::StatefulSet), Some(Owner::Deployment)]));
        let with_mistakes = || (0..8_000).map(Plan::random).filter(|plan| plan.scenario.mistake.is_some());
        let mistakes: BTreeSet<String> = with_mistakes()
            .filter_map(|plan| plan.scenario.mistake)
            .map(|mistake| mistake.to_string())
            .collect();
        let is_calm =
            |plan: Plan| plan.faults.is_empty() || !plan.scenario.mistake.is_some_and(Mistake::needs_calm);
        assert!(with_mistakes().all(is_calm));
        assert_eq!(mistakes, Mistake::ALL.iter().map(ToString::to_string).collect());
        let counts: BTreeSet<usize> =
            (0..4_000).map(|seed| Plan::random(seed).scenario.workloads.len()).collect();
        assert_eq!(counts, (1..=8).collect());
    }
}
