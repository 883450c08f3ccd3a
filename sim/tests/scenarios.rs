//! The whole protocol, with the real clients, in the simulated world: calm, with the user's mistakes, and with faults.

use std::collections::BTreeMap;

use ms2m::api::Phase;
use ms2m_sim::{
    plan::{
        Bound, ExchangeKind, Fault, FaultKind, Owner, Plan, QueueKind, Scenario, Shape, Step, TargetBy,
        Wording, Workload,
    },
    report::Verdict,
    world::{Mistake, Tracing, run},
};

fn proven(plan: impl Into<Plan>) -> Verdict {
    proven_with(&plan.into(), Tracing::Off)
}

fn proven_with(plan: &Plan, tracing: Tracing) -> Verdict {
    let verdict = run(plan.clone(), tracing);
    assert!(verdict.holds(), "{plan:?}: {:#?}", verdict.violations);
    verdict
}

fn with(fault: &str) -> Plan {
    Plan::calm(1).with(fault.parse().expect("the fault is well written"))
}

#[test]
fn a_migration_under_traffic_loses_nothing_and_pauses_briefly() {
    let verdict = proven(Scenario::new(1));
    assert_eq!(verdict.migration.outcome, "Completed");
    assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0));
    assert!(verdict.published > 50 && verdict.applied == verdict.published, "{verdict:#?}");
    assert!(verdict.migration.pause_ms.is_some_and(|pause| pause < 250), "{:?}", verdict.migration.pause_ms);
}

#[test]
fn a_run_is_a_function_of_its_plan() {
    let plan = || with("crash-operator@Replaying").with(Fault::new(FaultKind::DropTarget, Step::StopSent));
    let once = proven_with(&plan(), Tracing::On);
    let again = proven_with(&plan(), Tracing::On);
    let different = once.trace.iter().zip(&again.trace).find(|(a, b)| a != b);
    assert_eq!(different, None);
    assert_eq!(once.trace_hash, again.trace_hash);
    assert!(once.trace.len() > 1_000, "a trace of {} lines sees too little", once.trace.len());
    assert_ne!(once.trace_hash, proven_with(&Scenario::new(4).into(), Tracing::On).trace_hash);
}

#[test]
fn a_run_goes_the_same_way_without_its_trace() {
    let plan = || with("crash-operator@Replaying").with(Fault::new(FaultKind::DropTarget, Step::StopSent));
    let [traced, untraced] = [Tracing::On, Tracing::Off].map(|tracing| Verdict {
        trace: Vec::new(),
        trace_hash: None,
        wall_ms: 0,
        ..proven_with(&plan(), tracing)
    });
    assert_eq!(traced, untraced);
}

/// Each process killed in each phase: how the migration ends then.
fn killed() -> Vec<(Fault, &'static str)> {
    let mut all = Vec::new();
    for phase in Phase::FORWARD {
        let at = |kind| Fault::new(kind, Step::Phase(phase));
        all.push((at(FaultKind::CrashOperator), "Completed"));
        all.push((at(FaultKind::ReplaceOperator), "Completed"));
        all.push((at(FaultKind::CrashBroker), "Completed"));
        // Without an image there is nothing to go forward with, and no RAM to go back to.
        let without_image = phase <= Phase::Checkpointing;
        all.push((at(FaultKind::KillSource), if without_image { "Failed" } else { "Completed" }));
    }
    // Its process runs before it says HELLO.
    all.push(("kill-target@shadowSeen+1160ms".parse().expect("it is well written"), "Completed"));
    for step in [Step::Phase(Phase::Replaying), Step::Phase(Phase::SwitchingOver), Step::PointOfNoReturn] {
        all.push((Fault::new(FaultKind::KillTarget, step), "Completed"));
    }
    all
}

#[test]
fn faults_end_as_they_should() {
    let others = [
        ("fail-checkpoint@Pending", "Completed"),
        ("lose-acknowledgement@write-20", "Completed"),
        ("drop-operator@act-8", "Completed"),
        ("compact-history@Transferring", "Completed"),
        ("lagging-api@Pending~20s", "Completed"),
        ("stale-watch@Transferring~20s", "Completed"),
        ("freeze-operator@Transferring", "Completed"),
        ("freeze-source@Checkpointing", "Completed"),
        ("freeze-target@pointOfNoReturn", "Completed"),
        ("repeat-control@stopped", "Completed"),
        ("broker-memory-alarm@Replaying~20s", "Completed"),
        ("fail-checkpoints@Pending", "RolledBack"),
        ("restore-fresh@Pending", "RolledBack"),
        ("change-bindings@Mirroring", "RolledBack"),
        ("cancel@Replaying", "RolledBack"),
    ];
    let others = others.map(|(fault, ends)| (fault.parse().expect("the fault is well written"), ends));
    let mut wrong = BTreeMap::new();
    for (fault, ends) in killed().into_iter().chain(others) {
        let name = fault.to_string();
        let verdict = run(Plan::calm(1).with(fault), Tracing::Off);
        if !verdict.holds() || verdict.migration.outcome != ends || verdict.struck != 1 {
            wrong.insert(name, (verdict.migration.outcome.clone(), ends, verdict.struck, verdict.violations));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_second_operator_waits_and_goes_on_when_the_first_is_cut_off() {
    let calm = with("another-operator@Mirroring~60s");
    let taken = "taken over by another operator while the first still ran";
    let verdict = proven(calm.clone());
    assert!(!verdict.reached.contains(taken), "the first renews its Lease");
    assert!(
        verdict.migration.total_ms.is_some_and(|total| total < 10_000),
        "{:?}",
        verdict.migration.total_ms
    );
    for cut_off in ["partition:operator-api@Replaying~40s", "freeze-operator@Replaying~40s"] {
        let verdict = proven(calm.clone().with(cut_off.parse().expect("it is well written")));
        assert_eq!((verdict.migration.outcome.as_str(), verdict.struck), ("Completed", 2));
        assert!(verdict.reached.contains(taken), "{:?}", verdict.reached);
        assert!(verdict.migration.total_ms.is_some_and(|total| total < 30_000), "before the first is back");
    }
}

/// What it has under way is let go, and taken up again when it has the Lease again: as by a crash, in one process.
#[test]
fn an_operator_that_cannot_renew_its_lease_lets_go_and_comes_back() {
    let connections = |fault: &str| {
        let verdict = proven_with(&with(fault), Tracing::On);
        assert_eq!((verdict.migration.outcome.as_str(), verdict.struck), ("Completed", 1), "{fault}");
        verdict.trace.iter().filter(|line| line.contains("> Connection(Open(")).count()
    };
    // It holds on to its connection to the broker for as long as it holds the Lease.
    let [calm, short, long] = [
        "repeat-watches@Replaying",
        "partition:operator-api@Replaying~5s",
        "partition:operator-api@Replaying~40s",
    ]
    .map(connections);
    assert_eq!(short, calm, "a claim that hangs does not use up the patience");
    assert_eq!(long, calm + 1, "the operator's own, closed and opened again");
}

/// Both are published by one decision, with no write to the API server between them.
#[test]
fn an_act_tells_what_comes_between_end_replay_and_end() {
    let verdict = proven(with("crash-operator@act-8"));
    assert_eq!((verdict.migration.outcome.as_str(), verdict.struck), ("Completed", 1));
    let words = verdict.letters.iter().map(|letter| letter.word.as_str());
    let ends: Vec<&str> = words.filter(|word| ["END_REPLAY", "END"].contains(word)).collect();
    assert!(ends.starts_with(&["END_REPLAY", "END_REPLAY", "END"]), "{ends:?}");
}

#[test]
fn a_fault_that_finds_nothing_to_strike_says_so_and_permits_nothing() {
    for fault in [
        "kill-target@asked",
        "hold:target-broker@Mirroring",
        "delete-target@Pending",
        "delete-replay-queue@asked",
        "lose-third-node@Replaying",
    ] {
        let verdict = proven_with(&with(fault), Tracing::Off);
        assert_eq!((verdict.struck, verdict.in_vain), (0, 1), "{fault}");
        assert_eq!(verdict.migration.outcome, "Completed", "{fault}");
    }
}

#[test]
fn a_node_that_is_neither_the_source_s_nor_the_target_s_takes_only_what_runs_on_it() {
    let mut scenario = Scenario { nodes: 4, ..Scenario::new(3) };
    scenario.workloads =
        vec![Workload::default(), Workload { source: 2, target: 3, delay_ms: 60_000, ..Workload::default() }];
    let verdict =
        proven(Plan::from(scenario).with("lose-third-node@Replaying".parse().expect("well written")));
    assert_eq!((verdict.struck, verdict.in_vain), (1, 0));
    assert!(verdict.workloads[0].excuse.is_none() && verdict.workloads[1].excuse.is_some(), "{verdict:#?}");
}

#[test]
fn a_checkpoint_that_does_not_end_is_waited_for_as_long_as_it_may_take_and_then_given_up() {
    let hangs = |checkpointing_ms| {
        let mut plan = with("hang-checkpoints@Mirroring~125s");
        plan.scenario.workloads[0].knobs.checkpointing = checkpointing_ms;
        proven(plan)
    };
    assert_eq!(hangs(300_000).migration.outcome, "Completed");
    // The kubelet waits for two minutes at least, whatever it is told.
    let given_up = hangs(30_000);
    assert!(given_up.reached.contains("checkpoint timed out"), "{:?}", given_up.reached);
    let migration = given_up.migration;
    assert_eq!((migration.outcome.as_str(), migration.reason.as_str()), ("RolledBack", "DeadlineExceeded"));
    assert!(migration.message.contains("context deadline exceeded"), "{}", migration.message);
}

#[test]
fn pods_of_a_node_that_falls_silent_are_evicted_and_nothing_that_could_be_kept_is_lost() {
    for (fault, who, outcome) in [
        ("crash-source-kubelet@Transferring~80s", "source", "Failed"),
        ("partition:target-node-api@Replaying~80s", "target", "Completed"),
    ] {
        let mut plan = with(fault);
        plan.scenario.workloads[0].toleration_s = Some(2);
        let verdict = proven(plan);
        let point = format!("{who} evicted from a node that was lost");
        assert!(verdict.reached.contains(&point), "{fault}: {:?}", verdict.reached);
        assert_eq!(verdict.migration.outcome, outcome, "{fault}: {:#?}", verdict.migration);
    }
}

#[test]
fn a_memory_alarm_of_the_broker_stops_the_workload_for_its_time_and_costs_nothing() {
    for step in ["Mirroring", "Restoring", "stopSent", "pointOfNoReturn"] {
        let verdict = proven_with(&with(&format!("broker-memory-alarm@{step}~20s")), Tracing::On);
        assert_eq!((verdict.migration.outcome.as_str(), verdict.struck), ("Completed", 1), "{step}");
        assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0), "{step}");
        let told = |what: &str| verdict.trace.iter().any(|line| line.contains(what));
        assert!(told("Blocked(Blocked") && told("Unblocked(Unblocked"), "{step}: nobody was blocked");
    }
}

/// A push that does not get through is tried again: by the command, then by its Job. Where it never does, the migration is rolled
/// back; whatever is in the registry by then is taken away (`CleanEnd`).
fn pushed_in_the_end_or_rolled_back(kind: &str, rare: &[&str]) {
    for (lasts, outcome, reason) in [("5s", "Completed", ""), ("120s", "RolledBack", "TransferFailed")] {
        let verdict = proven(with(&format!("{kind}@Transferring~{lasts}")));
        let migration = &verdict.migration;
        assert_eq!((verdict.struck, migration.outcome.as_str()), (1, outcome), "{kind} {lasts}");
        assert!(reason.is_empty() || migration.reason == reason, "{kind} {lasts}: {migration:?}");
        assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0), "{kind} {lasts}");
        for point in rare {
            assert!(verdict.reached.contains(*point), "{kind} {lasts}: {point}: {:?}", verdict.reached);
        }
    }
}

#[test]
fn blobs_that_break_off_are_sent_again() {
    pushed_in_the_end_or_rolled_back("truncate-pushes", &[]);
}

#[test]
fn a_registry_that_takes_no_manifest_has_the_blobs_the_next_time() {
    pushed_in_the_end_or_rolled_back("refuse-manifests", &["pushed again over blobs that were there"]);
}

/// Nobody knows the digest of the image that is there, so it is found by its tag.
#[test]
fn an_image_that_nobody_was_told_of_is_pushed_again_or_deleted() {
    pushed_in_the_end_or_rolled_back(
        "lose-push-answers",
        &["pushed, and the answer lost", "pushed again over blobs that were there"],
    );
}

#[test]
fn an_image_that_nobody_was_told_of_is_reported_where_the_registry_is_down_for_good() {
    let down = "registry-down@RollingBack~300s".parse().expect("the fault is well written");
    let verdict = proven(with("lose-push-answers@Transferring~120s").with(down));
    let migration = &verdict.migration;
    assert_eq!((migration.outcome.as_str(), migration.reason.as_str()), ("RolledBack", "TransferFailed"));
    let left = "checkpoint left behind, and said so";
    assert!(verdict.struck == 2 && verdict.reached.contains(left), "{:?}", verdict.reached);
}

#[test]
fn a_transfer_that_is_killed_halfway_is_started_again_by_its_job() {
    pushed_in_the_end_or_rolled_back(
        "crash-transfers",
        &["transfer killed in the middle of a push", "pushed again over blobs that were there"],
    );
}

/// The source's RAM is in the archive on its disk, and half in the registry.
#[test]
fn a_node_that_loses_its_power_in_the_middle_of_a_push_pushes_again_when_it_is_back() {
    let verdict = proven(with("lose-source-node@Transferring+550ms~20s"));
    assert_eq!((verdict.struck, verdict.migration.outcome.as_str()), (1, "Completed"));
    for point in ["transfer killed in the middle of a push", "pushed again over blobs that were there"] {
        assert!(verdict.reached.contains(point), "{point}: {:?}", verdict.reached);
    }
}

#[test]
fn a_target_that_cannot_keep_up_is_cut_off_without_loss() {
    let mut scenario = Scenario::new(1);
    scenario.workloads[0].work_us = 125_000;
    assert_eq!(proven(scenario).migration.outcome, "Completed");
}

#[test]
fn what_happens_to_one_migration_is_no_other_ones_matter() {
    let mut scenario = Scenario { nodes: 3, ..Scenario::new(5) };
    scenario.workloads = (0..3)
        .map(|index| Workload { source: index, target: (index + 1) % 3, ..Workload::default() })
        .collect();
    let plan = Plan::from(scenario).with("kill-source@Mirroring#1".parse().expect("well written"));
    let verdict = proven(plan);
    let outcomes: Vec<&str> = verdict.workloads.iter().map(|w| w.migration.outcome.as_str()).collect();
    assert_eq!(outcomes, ["Completed", "Failed", "Completed"]);
}

#[test]
fn a_hundred_messages_per_second_catch_up_and_move() {
    let verdict = proven(Scenario::new(7).at_rate(120.0, 5));
    assert_eq!(verdict.migration.outcome, "Completed");
    assert!(verdict.published > 1_000, "{}", verdict.published);
    // The target had a real lag, and the handover waited until little of it was left.
    let lags = verdict
        .timeline
        .events()
        .iter()
        .filter_map(|event| event.text.strip_prefix("lag ")?.split(' ').next()?.parse::<u64>().ok());
    assert!(lags.max().is_some_and(|lag| lag > 100), "{:#?}", verdict.timeline);
    // maxPause is 1 s.
    assert!(verdict.migration.pause_ms.is_some_and(|pause| pause <= 1_000), "{:?}", verdict.migration);
    // A new owner that is busy with its queue reads the replay queue to its end all the same.
    assert!(verdict.migration.phase_ms[&Phase::SwitchingOver] < 5_000, "{:?}", verdict.migration);
}

/// What each mistake is called, and a piece of what its sentence tells the user.
fn told(mistake: Mistake) -> (&'static str, &'static str) {
    match mistake {
        Mistake::UnknownPod => ("SourceNotFound", "there is no pod counting"),
        Mistake::UnknownContainer => ("ContainerNotFound", "it has counter"),
        Mistake::AmbiguousContainer => ("ContainerAmbiguous", "which of sidecar, counter holds the state"),
        Mistake::StoppedContainer => ("SourceNotRunning", "container sidecar of pod counter does not run: "),
        Mistake::UnknownNode => ("TargetNotFound", "there is no node node-9"),
        Mistake::UnknownLabels => ("TargetNotFound", "no node has the labels"),
        Mistake::SourcesNode => ("TargetUnsuitable", "name another"),
        Mistake::UnknownQueue => ("QueueNotFound", "other"),
        Mistake::UnboundQueue => ("QueueNotBound", "bind it to a named exchange"),
        Mistake::AnothersQueue => ("SourceNotOwner", "the source consumes queue orders, and not other"),
        Mistake::UnknownSecret => ("SecretNotFound", "Secret other"),
        Mistake::UnknownKey => ("SecretNotFound", "has no key other: add it"),
        Mistake::NoUrl => ("SecretInvalid", "amqp://"),
        Mistake::WrongBroker => ("BrokerUnreachable", "rabbit"),
        Mistake::UnknownPushSecret => ("SecretNotFound", "spec.transfer"),
        Mistake::Sequential => ("StrategyNotImplemented", "use ShadowPod"),
        Mistake::TooShort => ("InvalidSpec", "at least 10ms"),
        Mistake::OwnedPod => ("SourceHasOwner", "ConfigMap counters would recreate"),
        Mistake::ShadowNameTaken => ("ShadowNameTaken", "delete it, or give the source another name"),
        Mistake::NoCheckpoints => ("CheckpointUnsupported", "ContainerCheckpoint"),
        Mistake::NoCriu => ("CheckpointUnsupported", "CRIU"),
        Mistake::RefusingRegistry => ("TransferFailed", "give the push Secret's account the right"),
        Mistake::PriorityQueue => ("QueueUnsuitable", "messages overtake each other; remove it"),
        Mistake::ExpiringMessages => ("QueueUnsuitable", "x-message-ttl: messages expire"),
        Mistake::BoundedQueue => ("QueueUnsuitable", "x-max-length: messages are dropped"),
        Mistake::BoundedBytes => ("QueueUnsuitable", "x-max-length-bytes: messages are dropped"),
        Mistake::ExpiringQueue => ("QueueUnsuitable", "the queue itself expires"),
        Mistake::UnfencedQueue => ("QueueNotFenced", "declare it with x-single-active-consumer"),
        Mistake::AutoDeleteQueue => ("QueueNotDurable", "declare it durable and lasting"),
        Mistake::HashExchange => ("ExchangeUnsuitable", "shop is of type x-consistent-hash"),
        Mistake::UnknownConfigMap => ("SecretNotFound", "ConfigMap other"),
        Mistake::NoManagement => ("InvalidSpec", "AMQP cannot tell a queue's bindings"),
        Mistake::WritableVolume => ("VolumeNotCarried", "volume scratch (emptyDir) at /scratch"),
        Mistake::UnknownVolume => ("VolumeNotFound", "has no volume other"),
        Mistake::ForbiddenJobs => ("TransferFailed", "hostPath volumes are forbidden"),
        Mistake::ManyPublishers => ("LedgerTooLarge", "names 1203 producers in "),
        Mistake::MissingRight => ("PermissionMissing", "grant it what deploy/rbac.yaml lists"),
    }
}

#[test]
fn every_mistake_is_refused_with_its_reason_and_costs_nothing() {
    let mut wrong = BTreeMap::new();
    for mistake in Mistake::ALL {
        let verdict = run(Scenario::new(1).with_mistake(mistake), Tracing::Off);
        let (reason, piece) = told(mistake);
        let migration = &verdict.migration;
        let refused = migration.outcome == "RolledBack" && migration.reason == reason;
        if !verdict.holds() || !refused || !migration.message.contains(piece) {
            wrong.insert(mistake.to_string(), (migration.clone(), verdict.violations));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// There, and back: what an earlier migration left in the labels, the containers or the bindings shows only in the next one.
#[test]
fn however_a_migration_is_asked_for_the_pod_is_moved() {
    let usual = Wording::default();
    let wordings = [
        Wording { target: TargetBy::Labels, ..usual },
        Wording { sidecar: true, ..usual },
        Wording { bindings: true, ..usual },
        Wording { target: TargetBy::Labels, sidecar: true, bindings: true },
    ];
    let faults = [None, Some("kill-source@Transferring"), Some("crash-operator@SwitchingOver")];
    for (wording, fault) in wordings.into_iter().flat_map(|wording| faults.map(|fault| (wording, fault))) {
        for direct_kubelets in [false, true] {
            let mut scenario = Scenario { nodes: 3, direct_kubelets, ..Scenario::new(1) };
            let shape = Shape { bound: Bound::Twice, exchange: ExchangeKind::Headers, ..Shape::default() };
            let workload =
                Workload { source: 1, target: 2, rounds: 2, wording, shape, ..Workload::default() };
            scenario.workloads = vec![workload];
            let mut plan = Plan::from(scenario);
            plan.faults = fault.iter().map(|text| text.parse().expect("the fault is well written")).collect();
            let verdict = proven(plan);
            let migration = &verdict.migration;
            let outcomes = (migration.outcome.as_str(), migration.earlier[0].outcome.as_str());
            assert_eq!(outcomes, ("Completed", "Completed"), "{wording:?} {fault:?} {direct_kubelets}");
            assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0), "{wording:?}");
            assert_eq!(verdict.struck, usize::from(fault.is_some()), "{wording:?}");
        }
    }
}

#[test]
fn what_has_an_owner_is_refused_and_works_on() {
    for owner in [Owner::StatefulSet, Owner::Deployment] {
        let mut scenario = Scenario::new(1);
        scenario.workloads[0].owner = Some(owner);
        scenario.workloads[0].knobs.pending = 3_000;
        let calm = proven(scenario.clone());
        let migration = &calm.migration;
        assert_eq!((migration.outcome.as_str(), migration.reason.as_str()), ("RolledBack", "SourceHasOwner"));
        assert!(calm.published > 50 && calm.applied == calm.published, "{calm:#?}");
        // Its owner makes it anew while the preflight looks at it, and that is all that becomes of it.
        let deleted = Plan::from(scenario).with("delete-source@Pending".parse().expect("well written"));
        let deleted = proven(deleted);
        assert_eq!((deleted.struck, deleted.migration.outcome.as_str()), (1, "RolledBack"));
        assert!(deleted.excuse.is_some() && deleted.applied > 0, "{deleted:#?}");
    }
}

/// Two workloads of one shape, which share an exchange where that tells them apart: a replay queue that is bound with less
/// than the primary queue has gets the other one's messages, too. Once nothing breaks, and once each of the faults.
fn moved_with(shape: Shape, faults: &[&str]) {
    let mut scenario = Scenario { nodes: 3, ..Scenario::new(1) };
    scenario.workloads = (0..2)
        .map(|index| Workload { source: index, target: index + 1, shape, ..Workload::default() })
        .collect();
    for fault in std::iter::once(None).chain(faults.iter().copied().map(Some)) {
        let mut plan = Plan::from(scenario.clone());
        plan.faults = fault.iter().map(|text| text.parse().expect("the fault is well written")).collect();
        let verdict = proven(plan);
        assert_eq!(verdict.struck, usize::from(fault.is_some()), "{shape:?}");
        let ends = if fault == Some("cancel@stopSent") { "RolledBack" } else { "Completed" };
        let outcomes: Vec<&str> = verdict.workloads.iter().map(|w| w.migration.outcome.as_str()).collect();
        assert_eq!(outcomes, [ends, "Completed"], "{shape:?} {fault:?}");
        assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0), "{shape:?} {fault:?}");
        assert!(verdict.published > 50 && verdict.applied >= verdict.published, "{shape:?} {fault:?}");
    }
}

#[test]
fn a_queue_is_moved_whatever_the_kind_of_its_exchange() {
    for exchange in ExchangeKind::ALL {
        moved_with(
            Shape { exchange, ..Shape::default() },
            &["crash-broker@Replaying", "kill-source@Transferring"],
        );
    }
}

#[test]
fn a_queue_with_two_bindings_to_one_exchange_is_moved() {
    for exchange in [ExchangeKind::Topic, ExchangeKind::Headers] {
        let shape = Shape { exchange, bound: Bound::Twice, ..Shape::default() };
        moved_with(shape, &["kill-source@Transferring"]);
    }
}

#[test]
fn a_queue_that_is_bound_to_two_exchanges_is_moved() {
    for exchange in [ExchangeKind::Direct, ExchangeKind::Fanout] {
        let shape = Shape { exchange, bound: Bound::ToTwo, ..Shape::default() };
        moved_with(shape, &["cancel@stopSent"]);
    }
}

#[test]
fn a_quorum_queue_with_a_single_active_consumer_is_moved() {
    let faults = [
        "crash-broker@Replaying",
        "kill-source@Transferring",
        "kill-target@pointOfNoReturn",
        "cancel@stopSent",
    ];
    moved_with(Shape { queue: QueueKind::Quorum, ..Shape::default() }, &faults);
}

#[test]
fn a_queue_with_an_exchange_for_dead_letters_is_moved() {
    moved_with(Shape { dead_letters: true, ..Shape::default() }, &["drop-source@Restoring"]);
}
