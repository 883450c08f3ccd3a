//! What is said of faults: which have struck, when they are over, and what a migration did without what they took.

use ms2m_sim::{
    plan::{Plan, Scenario, Workload},
    report::{Event, Verdict},
    world::{Tracing, run},
};

fn proven(plan: impl Into<Plan>) -> Verdict {
    let plan = plan.into();
    let verdict = run(plan.clone(), Tracing::Off);
    assert!(verdict.holds(), "{plan:?}: {:#?}", verdict.violations);
    verdict
}

fn with(fault: &str) -> Plan {
    Plan::calm(1).with(fault.parse().expect("the fault is well written"))
}

/// When the timeline says this for the first time.
fn said_at(verdict: &Verdict, text: &str) -> u64 {
    let found = verdict.timeline.events().iter().find(|event| event.text == text);
    found.unwrap_or_else(|| panic!("nothing says {text}: {:#?}", verdict.timeline)).at_ms
}

/// Whether the only fault has struck, by all that says so.
fn has_struck(fault: &str) -> bool {
    let verdict = proven(with(fault));
    let kind = fault.split('@').next().unwrap_or_default();
    let has_struck = verdict.reached.contains(&format!("struck by {kind}"));
    let (struck, in_vain) = if has_struck { (1, 0) } else { (0, 1) };
    assert_eq!((verdict.struck, verdict.in_vain), (struck, in_vain), "{fault}");
    assert_eq!(verdict.history.strikes.len(), struck, "{fault}");
    let says_so = |event: &&Event| event.text == format!("{fault} found nothing to strike");
    assert_eq!(verdict.timeline.events().iter().filter(says_so).count(), in_vain, "{fault}");
    has_struck
}

#[test]
fn what_is_wrong_on_machines_has_struck_only_where_somebody_met_it() {
    for fault in ["fail-checkpoint@Mirroring", "truncate-pushes@Transferring", "restore-fresh@Pending"] {
        assert!(has_struck(fault), "{fault}");
    }
    for fault in ["fail-checkpoint@Replaying", "truncate-pushes@over", "restore-fresh@Replaying"] {
        assert!(!has_struck(fault), "{fault}");
    }
}

#[test]
fn what_is_wrong_with_the_api_has_struck_only_where_a_request_or_a_watch_met_it() {
    for fault in [
        "api-errors@Replaying",
        "delay-status@Mirroring",
        "stall-watches@Mirroring",
        "close-watches@Mirroring",
        "repeat-watches@Mirroring",
        "compact-history@Mirroring",
        "stale-watch@Mirroring",
    ] {
        assert!(has_struck(fault), "{fault}");
    }
    // For so short a time no watch begins, and no cache is read.
    for fault in ["delay-status@over", "lagging-api@over~10ms"] {
        assert!(!has_struck(fault), "{fault}");
    }
}

#[test]
fn a_clock_is_wrong_only_for_an_operator_that_runs() {
    assert!(has_struck("clock-ahead@Mirroring"));
    let down = with("crash-operator@Mirroring~10s");
    let verdict =
        proven(down.with("clock-behind@Mirroring+1s~5s".parse().expect("the fault is well written")));
    assert_eq!((verdict.struck, verdict.in_vain), (1, 1), "{:#?}", verdict.timeline);
}

#[test]
fn of_two_checkpoints_that_are_to_fail_each_fails_one_at_most() {
    let twice =
        with("fail-checkpoint@Pending").with("fail-checkpoint@Mirroring".parse().expect("well written"));
    let verdict = proven(twice);
    assert_eq!((verdict.struck, verdict.in_vain), (2, 0), "{:#?}", verdict.timeline);
    let late =
        with("fail-checkpoint@Pending").with("fail-checkpoint@Replaying".parse().expect("well written"));
    let verdict = proven(late);
    assert_eq!((verdict.struck, verdict.in_vain), (1, 1), "{:#?}", verdict.timeline);
}

#[test]
fn what_waits_for_a_write_is_over_when_it_has_had_it_or_when_none_comes_for_long() {
    let goes_on_for = |fault: &str| {
        let verdict = proven(with(fault));
        said_at(&verdict, "publishers stop") - said_at(&verdict, "Completed")
    };
    for kind in ["lose-write", "lose-acknowledgement", "delay-status"] {
        let bitten = goes_on_for(&format!("{kind}@Replaying"));
        assert!((8_000..9_000).contains(&bitten), "{kind}: as when nothing breaks, and not {bitten} ms");
        // Right after the end the operator still writes an Event of it.
        let withdrawn = goes_on_for(&format!("{kind}@over+2s"));
        assert!((40_000..41_000).contains(&withdrawn), "{kind}: 32 s more, and not {withdrawn} ms");
    }
}

#[test]
fn what_has_waited_in_vain_for_a_write_bites_none_that_comes_later() {
    let lost_writes = |delay_ms| {
        let mut scenario = Scenario { nodes: 3, ..Scenario::new(1) };
        scenario.workloads =
            vec![Workload::default(), Workload { source: 1, target: 2, delay_ms, ..Workload::default() }];
        let fault = "lose-write@over+2s".parse().expect("the fault is well written");
        let verdict = proven(Plan::from(scenario).with(fault));
        let lost = verdict.history.writes.iter().filter(|write| write.code == 0);
        lost.filter(|write| !write.text.contains("leases")).count()
    };
    assert_eq!(lost_writes(20_000), 1, "it lies in wait for the second migration");
    assert_eq!(lost_writes(60_000), 0, "that one comes when all is whole again");
}

#[test]
fn a_migration_goes_forward_without_its_source_only_where_it_misses_it() {
    for (fault, misses) in [
        ("kill-source@asked", false),
        ("kill-source@Transferring", true),
        ("kill-source@Replaying", true),
        ("kill-source@switched", false),
    ] {
        let verdict = proven(with(fault));
        assert_eq!((verdict.migration.outcome.as_str(), verdict.struck), ("Completed", 1), "{fault}");
        let reached = verdict.reached.contains("forward after loss of the source");
        assert_eq!(reached, misses, "{fault}: {:?}", verdict.reached);
    }
}

#[test]
fn what_two_faults_have_broken_is_whole_when_both_are_over() {
    for (long, short) in [
        ("hold:operator-broker", "hold:operator-broker"),
        ("hold:operator-broker", "partition:operator-broker"),
        ("hold:operator-api", "slow:operator-api"),
        ("partition:operator-broker", "hold:operator-broker"),
        ("partition-from:operator-broker", "partition-to:operator-broker"),
        ("freeze-operator", "partition:operator-api"),
        ("hold:operator-api", "freeze-operator"),
        ("registry-down", "registry-down"),
        ("broker-memory-alarm", "broker-memory-alarm"),
        ("withhold-confirms", "withhold-confirms"),
        ("stall-watches", "stall-watches"),
    ] {
        let short = format!("{short}@asked+1s~2s").parse().expect("the fault is well written");
        let verdict = proven(with(&format!("{long}@asked~15s")).with(short));
        assert_eq!((verdict.struck, verdict.in_vain), (2, 0), "{long}: {:#?}", verdict.timeline);
        let (asked, ended) = (said_at(&verdict, "move asked for"), said_at(&verdict, "Completed"));
        assert!(ended > asked + 15_000, "{long}: {:#?}", verdict.timeline);
    }
}
