//! What is said of faults: which have struck, when they are over, and what a migration did without what they took.

use ms2m_sim::{
    plan::{Plan, Scenario, Workload},
    report::Verdict,
    world::{Tracing, run},
};

fn proven(plan: Plan) -> Verdict {
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

#[test]
fn what_waits_for_a_write_is_over_when_it_has_had_it_or_when_none_comes_for_long() {
    let goes_on_for = |fault: &str| {
        let verdict = proven(with(fault));
        said_at(&verdict, "publishers stop") - said_at(&verdict, "Completed")
    };
    for kind in ["lose-write", "lose-acknowledgement", "delay-status"] {
        let bitten = goes_on_for(&format!("{kind}@Replaying"));
        assert!((8_000..9_000).contains(&bitten), "{kind}: as when nothing breaks, and not {bitten} ms");
        let withdrawn = goes_on_for(&format!("{kind}@over"));
        assert!((38_000..39_000).contains(&withdrawn), "{kind}: 30 s more, and not {withdrawn} ms");
    }
}

#[test]
fn what_has_waited_in_vain_for_a_write_bites_none_that_comes_later() {
    let lost_writes = |delay_ms| {
        let mut scenario = Scenario { nodes: 3, ..Scenario::new(1) };
        scenario.workloads =
            vec![Workload::default(), Workload { source: 1, target: 2, delay_ms, ..Workload::default() }];
        let fault = "lose-write@over".parse().expect("the fault is well written");
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
