use std::fs;

use ms2m_sim::{
    explore::{Broken, Class, Failed, Swept},
    world::points,
};

use super::{
    chromium::Chromium,
    page::{Page, Theme},
    written::{file, looks_right, report},
};

#[test]
fn a_sweep_looks_right_and_says_what_came() {
    let Some(mut chromium) = Chromium::start("sweep::a_sweep_looks_right_and_says_what_came") else { return };
    // Two that have little to do.
    let file = report("sweep", &["sweep", "--seeds", "32..34"]);
    looks_right(&mut chromium, &file);

    let mut page = Page::open(&mut chromium, &file, Theme::Light, 1_500);
    assert!(page.text("#verdict").contains("2 runs"));
    assert_eq!(page.text("header code"), "cargo sim sweep --seeds 32..34");
    let outcomes = page.texts("#outcomes td.number");
    let migrations: u64 = outcomes.iter().map(|count| count.parse::<u64>().unwrap()).sum();
    assert!(migrations >= 2, "{outcomes:?}");
    let (paths, missed) = (page.texts("#paths tbody tr").len(), page.texts("#paths tr.missing").len());
    assert_eq!(paths, points().len());
    assert!(missed > 0 && missed < paths, "two runs reach some: {missed} of {paths} are missed");
    assert!(page.texts("#times tbody tr").len() == 2, "pause and total");
}

/// A sweep of runs that did not happen: two that broke something, one that crashed.
#[test]
fn a_failure_is_told_with_its_command() {
    let Some(mut chromium) = Chromium::start("sweep::a_failure_is_told_with_its_command") else { return };
    let broken = |invariant: &str| Broken {
        invariant: invariant.to_owned(),
        at_ms: 51_405,
        message: "</b>".to_owned(),
    };
    let failed = |seed: u64, class: Class, broken: Vec<Broken>| Failed {
        seed,
        class,
        broken,
        complaint: "thread 'main' panicked".to_owned(),
        migrations: 2,
        faults: vec!["crash-operator@Replaying".to_owned()],
        plan: format!("target/sim/failures/seed-{seed}.json"),
    };
    let swept = Swept {
        runs: 3,
        failed: vec![
            failed(1, Class::Safety, vec![broken("NoLoss"), broken("Order")]),
            failed(2, Class::Liveness, vec![broken("Converges")]),
            failed(3, Class::Crash, Vec::new()),
        ],
        ..Swept::default()
    };
    let file = file("sweep-broken");
    fs::write(&file, swept.html(&points(), "cargo sim sweep --seeds 1..4").unwrap()).unwrap();
    looks_right(&mut chromium, &file);

    let mut page = Page::open(&mut chromium, &file, Theme::Light, 1_500);
    assert!(page.text("#verdict").contains("3 of 3 runs broke something"));
    assert_eq!(page.texts(".failure h3").len(), 3);
    let first = page.text(".failure");
    assert!(first.contains("NoLoss at 51.405 s: </b>"), "{first}");
    assert!(first.contains("cargo sim run --random --seed 1"), "{first}");
    assert!(first.contains("cargo sim shrink target/sim/failures/seed-1.json"), "{first}");
    let choose = "const only = document.querySelector('#failures select'); only.value = 'Converges'; \
                  only.dispatchEvent(new Event('change'))";
    page.value(choose);
    assert_eq!(page.texts(".failure:not([hidden]) h3"), ["Seed 2: liveness broken"]);
}
