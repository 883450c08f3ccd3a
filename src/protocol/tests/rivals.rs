//! Several migrations of one pod, in every order of their looks and writes.

use jiff::Timestamp;
use ms2m_app::contract::{Reply, ReplyBody};

use super::script::{decide_as_usual, spec};
use crate::{
    api::{Phase, StatefulMigrationStatus, condition, reason},
    protocol::{
        Contender, Finding, Observation, PendingReply, PodFacts, PodView, Preflight, Rivalry, Stage, needs,
    },
};

fn contender(uid: &str, second: i64, source_pod: &str, stage: Stage) -> Contender {
    Contender {
        name: uid.to_owned(),
        uid: uid.to_owned(),
        created: Some(Timestamp::from_second(second).expect("a timestamp")),
        source_pod: source_pod.to_owned(),
        stage,
    }
}

#[test]
fn the_older_of_two_goes_first_also_where_nobody_has_looked_at_it_yet() {
    let (older, younger) = (contender("b", 1, "p", Stage::Asked), contender("a", 2, "p", Stage::Asked));
    let all = [older.clone(), younger.clone()];
    assert_eq!(Rivalry::of(&older, &all), Rivalry::Alone);
    assert_eq!(Rivalry::of(&younger, &all), Rivalry::Waits("b".to_owned()));
}

#[test]
fn within_a_second_the_smaller_uid_is_the_older() {
    let all = [contender("b", 1, "p", Stage::Asked), contender("a", 1, "p", Stage::Asked)];
    assert_eq!(Rivalry::of(&all[0], &all), Rivalry::Waits("a".to_owned()));
    assert_eq!(Rivalry::of(&all[1], &all), Rivalry::Alone);
}

#[test]
fn whose_checks_have_passed_is_waited_for_by_older_ones_and_whose_migration_is_over_by_nobody() {
    let own = contender("a", 1, "p", Stage::Asked);
    for (stage, waits) in
        [(Stage::Checked, true), (Stage::Begun, true), (Stage::Asked, false), (Stage::Ended, false)]
    {
        let expected = if waits { Rivalry::Waits("b".to_owned()) } else { Rivalry::Alone };
        assert_eq!(Rivalry::of(&own, &[contender("b", 2, "p", stage)]), expected, "{stage:?}");
    }
}

#[test]
fn a_pod_and_its_shadow_are_one_workload_and_another_pod_is_not() {
    let own = contender("b", 2, "p-shadow", Stage::Asked);
    for (pod, waits) in [("p", true), ("p-shadow-shadow", true), ("q", false)] {
        let expected = if waits { Rivalry::Waits("a".to_owned()) } else { Rivalry::Alone };
        assert_eq!(Rivalry::of(&own, &[contender("a", 1, pod, Stage::Begun)]), expected, "{pod}");
    }
}

#[test]
fn an_older_one_whose_checks_have_not_passed_does_not_keep_one_whose_have() {
    let own = contender("b", 2, "p", Stage::Checked);
    assert_eq!(Rivalry::of(&own, &[contender("a", 1, "p", Stage::Asked)]), Rivalry::Alone);
}

/// One migration, and what it saw of the others when it last looked.
#[derive(Clone)]
struct Runner {
    second: i64,
    appears: bool,
    status: StatefulMigrationStatus,
    looked: Option<Rivalry>,
}

/// Migrations of one pod; what each reads and writes is in one order, as it is at an API server.
#[derive(Clone)]
struct Race {
    runners: Vec<Runner>,
}

const UIDS: [&str; 3] = ["a", "b", "c"];

impl Race {
    /// `seconds` are when each was asked for; those that are not there from the start are asked for when they first look.
    fn new(seconds: &[i64], appear: bool) -> Self {
        let runner = |second: &i64| Runner {
            second: *second,
            appears: !appear,
            status: StatefulMigrationStatus::default(),
            looked: None,
        };
        Self { runners: seconds.iter().map(runner).collect() }
    }

    fn contender(&self, index: usize) -> Contender {
        let runner = &self.runners[index];
        contender(UIDS[index], runner.second, "counter", Stage::of(Some(&runner.status)))
    }

    /// One step of one of them: a look, or what it decides of the last one, written down.
    fn step(&mut self, index: usize) {
        self.runners[index].appears = true;
        let Some(rivalry) = self.runners[index].looked.take() else {
            let there = (0..self.runners.len()).filter(|other| self.runners[*other].appears);
            let all: Vec<Contender> = there.map(|other| self.contender(other)).collect();
            self.runners[index].looked = Some(Rivalry::of(&self.contender(index), &all));
            return;
        };
        let status = &self.runners[index].status;
        if status.phase == Phase::Pending {
            let seen = seen(status, UIDS[index], rivalry);
            let decided = decide_as_usual(UIDS[index], &spec(), status, &seen, Timestamp::UNIX_EPOCH);
            self.runners[index].status = decided.status;
        } else if status.phase == Phase::RollingBack {
            self.runners[index].status.phase = Phase::RolledBack;
        }
    }

    fn begun(&self) -> usize {
        let has_begun = |phase: Phase| phase != Phase::Pending && Phase::FORWARD.contains(&phase);
        self.runners.iter().filter(|runner| has_begun(runner.status.phase)).count()
    }

    /// Every order of `steps` more steps; afterwards each has its turn again and again.
    fn explore(&self, steps: usize) {
        assert!(self.begun() <= 1, "two have begun: {:?}", self.phases());
        if steps == 0 {
            let mut fair = self.clone();
            (0..8 * fair.runners.len()).for_each(|turn| fair.step(turn % fair.runners.len()));
            assert_eq!(fair.begun(), 1, "{:?}", fair.phases());
            return;
        }
        for index in 0..self.runners.len() {
            let mut next = self.clone();
            next.step(index);
            next.explore(steps - 1);
        }
    }

    fn phases(&self) -> Vec<Phase> {
        self.runners.iter().map(|runner| runner.status.phase).collect()
    }
}

/// What a migration sees whose pod is as it should be, and answers at once.
fn seen(status: &StatefulMigrationStatus, uid: &str, rivalry: Rivalry) -> Observation {
    let needs = needs(status);
    let busy = Finding { reason: reason::SOURCE_BUSY, message: "another one moves it".to_owned() };
    let findings = if rivalry == Rivalry::Alone { Vec::new() } else { vec![busy] };
    let reply = Reply {
        version: 1,
        migration: uid.to_owned(),
        epoch: 0,
        pod_uid: "s".to_owned(),
        body: ReplyBody::Probed {
            last_epoch: 0,
            nonce: None,
            owner: true,
            queue: Some(spec().broker.queue),
            sequenced: true,
        },
    };
    let source = PodFacts { uid: "s".into(), container_id: "c".into(), running: true, ..Default::default() };
    Observation {
        fresh_nonce: uid.to_owned(),
        preflight: needs.preflight.then(|| Preflight { findings, ..Default::default() }),
        rivalry: needs.rivalry.then_some(rivalry),
        source: Some(PodView::Present(source)),
        replies: needs.replies.then_some(PendingReply { id: 1, reply: Some(reply) }).into_iter().collect(),
        ..Default::default()
    }
}

#[test]
fn of_two_migrations_of_one_pod_one_begins_in_whatever_order_they_look_and_write() {
    for seconds in [[1, 2], [2, 1], [1, 1]] {
        for appear in [false, true] {
            Race::new(&seconds, appear).explore(10);
        }
    }
}

#[test]
fn of_three_migrations_of_one_pod_one_begins_in_whatever_order_they_look_and_write() {
    for seconds in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [1, 1, 1]] {
        Race::new(&seconds, true).explore(8);
    }
}

#[test]
fn one_that_waits_for_another_says_for_which() {
    let mut race = Race::new(&[2, 1], false);
    // Both have seen nobody else's checks passed; the younger one has begun before the older one writes.
    race.runners[0].looked = Some(Rivalry::Alone);
    (0..4).for_each(|_| race.step(1));
    (0..3).for_each(|_| race.step(0));
    let ready = race.runners[0].status.conditions.iter().find(|it| it.type_ == condition::READY);
    let ready = ready.expect("it says whether it is ready");
    assert_eq!(ready.reason, reason::SOURCE_BUSY);
    assert!(ready.message.contains("migration b moves the same pod"), "{}", ready.message);
}

/// The one that it waited for has lost the pod: nobody is left who could answer, and it says so at once.
#[test]
fn one_that_waits_for_another_ends_when_the_pod_is_gone() {
    let mut race = Race::new(&[2, 1], false);
    race.runners[0].looked = Some(Rivalry::Alone);
    (0..4).for_each(|_| race.step(1));
    (0..3).for_each(|_| race.step(0));
    let status = &race.runners[0].status;
    assert!(status.source.is_some() && status.phase == Phase::Pending);
    let gone = Observation { source: Some(PodView::Absent), ..seen(status, UIDS[0], Rivalry::Alone) };
    let status = decide_as_usual(UIDS[0], &spec(), status, &gone, Timestamp::UNIX_EPOCH).status;
    assert_eq!(status.abort.expect("it is given up").reason, reason::SOURCE_LOST);
}
