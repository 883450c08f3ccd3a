//! The whole protocol, with the real clients, in the simulated world: once without a fault, once per fault.

use std::collections::BTreeMap;

use ms2m::api::Phase;
use ms2m_sim::{
    report::Verdict,
    world::{Fault, Mistake, Scenario, run},
};

fn proven(scenario: &Scenario) -> Verdict {
    let verdict = run(scenario);
    assert!(verdict.holds(), "{scenario:?}: {:#?}", verdict.violations);
    verdict
}

/// How a migration ends in which that goes wrong.
fn expected(fault: Fault) -> Phase {
    match fault {
        // Without an image there is nothing to go forward with, and no RAM to go back to.
        Fault::KillSource(Phase::Pending | Phase::Mirroring | Phase::Checkpointing) => Phase::Failed,
        Fault::FailCheckpoints(attempts) if attempts > 3 => Phase::RolledBack,
        Fault::RestoreFresh => Phase::RolledBack,
        _ => Phase::Completed,
    }
}

#[test]
fn a_migration_under_traffic_loses_nothing_and_pauses_briefly() {
    let verdict = proven(&Scenario::new(1));
    assert_eq!(verdict.migration.outcome, "Completed");
    assert_eq!((verdict.lost, verdict.duplicated, verdict.reordered), (0, 0, 0));
    assert!(verdict.published > 50 && verdict.applied == verdict.published, "{verdict:#?}");
    assert!(verdict.migration.pause_ms.is_some_and(|pause| pause < 250), "{:?}", verdict.migration.pause_ms);
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let once = proven(&Scenario::new(3));
    let again = proven(&Scenario::new(3));
    let different = once.trace.iter().zip(&again.trace).find(|(a, b)| a != b);
    assert_eq!(different, None);
    assert_eq!(once.trace_hash, again.trace_hash);
    assert!(once.trace.len() > 1_000, "a trace of {} lines sees too little", once.trace.len());
    assert_ne!(once.trace_hash, proven(&Scenario::new(4)).trace_hash);
}

#[test]
fn every_fault_ends_as_it_should() {
    let mut wrong = BTreeMap::new();
    for fault in Fault::all() {
        let verdict = run(&Scenario::new(1).with_fault(fault));
        let ends = format!("{:?}", expected(fault));
        if !verdict.holds() || verdict.migration.outcome != ends {
            wrong.insert(
                fault.to_string(),
                (verdict.migration.outcome.clone(), ends, verdict.violations.clone()),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_hundred_messages_per_second_catch_up_and_move() {
    let verdict = proven(&Scenario { rate: 120.0, producers: 5, ..Scenario::new(7) });
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

/// The broker was restarted between an output and its confirm, and `STOP` was read before the message came again: the
/// ledger of `STOPPED` contained it, so the target dropped its copy of an output that nobody had emitted.
#[test]
fn an_output_that_was_not_confirmed_before_stop_is_not_lost() {
    for seed in [58, 151] {
        proven(&Scenario::new(seed).with_fault(Fault::RestartBroker(Phase::SwitchingOver)));
    }
}

/// What each mistake is called, and a piece of what its sentence tells the user.
fn told(mistake: Mistake) -> (&'static str, &'static str) {
    match mistake {
        Mistake::UnknownPod => ("SourceNotFound", "there is no pod counting"),
        Mistake::UnknownContainer => ("ContainerNotFound", "it has counter"),
        Mistake::UnknownNode => ("TargetNotFound", "there is no node node-9"),
        Mistake::UnknownLabels => ("TargetNotFound", "no node has the labels"),
        Mistake::SourcesNode => ("TargetUnsuitable", "name another"),
        Mistake::UnknownQueue => ("QueueNotFound", "other"),
        Mistake::UnboundQueue => ("QueueNotBound", "bind it to a named exchange"),
        Mistake::UnknownSecret => ("SecretNotFound", "Secret other"),
        Mistake::UnknownKey => ("SecretNotFound", "has no key other: add it"),
        Mistake::NoUrl => ("SecretInvalid", "amqp://"),
        Mistake::WrongBroker => ("BrokerUnreachable", "rabbit"),
        Mistake::UnknownPushSecret => ("SecretNotFound", "spec.transfer"),
        Mistake::Sequential => ("StrategyNotImplemented", "use ShadowPod"),
        Mistake::TooShort => ("InvalidSpec", "at least 10ms"),
        Mistake::OwnedPod => ("SourceHasOwner", "ConfigMap counters would recreate"),
        Mistake::ShadowNameTaken => ("ShadowNameTaken", "delete or rename it"),
        Mistake::NoCheckpoints => ("CheckpointUnsupported", "ContainerCheckpoint"),
        Mistake::NoCriu => ("CheckpointUnsupported", "CRIU"),
        Mistake::RefusingRegistry => ("TransferFailed", "pushSecret"),
    }
}

#[test]
fn every_mistake_is_refused_with_its_reason_and_costs_nothing() {
    let mut wrong = BTreeMap::new();
    for mistake in Mistake::ALL {
        let verdict = run(&Scenario { mistake: Some(mistake), ..Scenario::new(1) });
        let (reason, piece) = told(mistake);
        let migration = &verdict.migration;
        let refused = migration.outcome == "RolledBack" && migration.reason == reason;
        if !verdict.holds() || !refused || !migration.message.contains(piece) {
            wrong.insert(mistake.to_string(), (migration.clone(), verdict.violations));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
