//! An operator that asks again sooner, or later, than the one that ships: how soon it does is nothing that anybody may rely on.

use ms2m_sim::{
    plan::{Pace, Plan, Scenario},
    report::Verdict,
    world::{Tracing, run},
};

/// The sooner ones and the later ones that random worlds have most of.
const PERCENTS: [u32; 2] = [25, 300];

fn proven(percent: u32, faults: &[&str]) -> Verdict {
    let mut scenario = Scenario::new(1);
    scenario.pace = Pace { ask_again_percent: percent, ..Pace::default() };
    let mut plan = Plan::from(scenario);
    plan.faults = faults.iter().map(|text| text.parse().expect("the fault is well written")).collect();
    let verdict = run(plan.clone(), Tracing::Off);
    assert!(verdict.holds(), "{plan:?}: {:#?}", verdict.violations);
    assert_eq!(verdict.struck, faults.len(), "{percent} %: {faults:?}");
    verdict
}

#[test]
fn a_migration_ends_as_it_would_however_soon_the_operator_asks_again() {
    let cases: [(&[&str], &str); 8] = [
        (&[], "Completed"),
        (&["kill-source@Transferring"], "Completed"),
        (&["kill-target@Replaying"], "Completed"),
        (&["crash-broker@Mirroring"], "Completed"),
        (&["drop-operator@act-8"], "Completed"),
        (&["partition:operator-broker@stopSent~5s"], "Completed"),
        (&["restore-fresh@Pending"], "RolledBack"),
        (&["cancel@Replaying", "partition:source-broker@RollingBack~5s"], "RolledBack"),
    ];
    for (percent, (faults, ends)) in
        PERCENTS.into_iter().flat_map(|percent| cases.map(|case| (percent, case)))
    {
        let verdict = proven(percent, faults);
        assert_eq!(verdict.migration.outcome, ends, "{percent} %: {faults:?}");
        assert_eq!(
            (verdict.lost, verdict.duplicated, verdict.reordered),
            (0, 0, 0),
            "{percent} %: {faults:?}"
        );
    }
}

#[test]
fn a_source_that_says_nothing_is_told_to_stop_as_often_as_the_intervals_say() {
    let [quick, usual, slow] = [25, 100, 300].map(|percent| {
        let verdict = proven(percent, &["freeze-source@SwitchingOver~8s"]);
        assert_eq!(verdict.migration.outcome, "Completed");
        verdict.letters.iter().filter(|letter| letter.word == "STOP").count()
    });
    assert!(quick > 2 * usual && usual > slow && slow > 0, "{quick}, {usual} and {slow} times");
}
