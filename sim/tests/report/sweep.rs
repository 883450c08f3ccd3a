use super::{
    chromium::Chromium,
    page::{Page, Theme},
    written::{looks_right, report},
};
use ms2m_sim::world::points;

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
