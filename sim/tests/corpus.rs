//! Every bug that the simulation has found, as the smallest plan that showed it: `sim/corpus/*.json`.

use std::{collections::BTreeMap, fs, path::Path};

use ms2m_sim::{
    plan::Found,
    world::{Tracing, run},
};

#[test]
fn what_was_found_once_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let files = fs::read_dir(&folder).expect("there is a corpus");
    let mut wrong = BTreeMap::new();
    let mut count = 0;
    for file in files {
        let file = file.expect("the folder can be read").path();
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let found = Found::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert!(found.story.len() > 20, "{name} tells nothing");
        let verdict = run(found.plan, Tracing::Off);
        let outcome = |workload: &ms2m_sim::report::WorkloadReport| workload.migration.outcome.clone();
        let ends: Vec<String> = match verdict.workloads.as_slice() {
            [] => vec![verdict.migration.outcome.clone()],
            several => several.iter().map(outcome).collect(),
        };
        if !verdict.holds() || ends != found.ends {
            wrong.insert(name, (found.story, ends, verdict.violations));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 0, "the corpus is empty");
}
