//! Every bug that the simulation has found, and every one that can be seeded, as the smallest plan that shows it:
//! `sim/corpus/*.json`.

use std::{collections::BTreeMap, fs, path::Path};

use ms2m_sim::{
    plan::Found,
    report::MigrationReport,
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
        let migrations = match verdict.workloads.as_slice() {
            [] => vec![verdict.migration.clone()],
            several => several.iter().map(|workload| workload.migration.clone()).collect(),
        };
        let ends: Vec<&str> = migrations.iter().map(|migration| migration.outcome.as_str()).collect();
        let in_time =
            |migration: &MigrationReport| migration.total_ms.is_some_and(|ms| Some(ms) <= found.within_ms);
        let is_in_time = found.within_ms.is_none() || migrations.iter().all(in_time);
        if !verdict.holds() || ends != found.ends || !is_in_time {
            wrong.insert(name, (found.story, migrations, verdict.violations));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 0, "the corpus is empty");
}
