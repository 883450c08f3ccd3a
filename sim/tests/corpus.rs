//! Every bug that the simulation has found, and every one that can be seeded, as the smallest plan that shows it:
//! `sim/corpus/*.json`.

use std::{collections::BTreeMap, path::Path};

use ms2m_sim::{
    plan::Found,
    report::MigrationReport,
    world::{Tracing, run},
};

#[test]
fn what_was_found_once_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let kept = Found::all(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut wrong = BTreeMap::new();
    assert!(!kept.is_empty(), "the corpus is empty");
    for (file, found) in kept {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
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
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
