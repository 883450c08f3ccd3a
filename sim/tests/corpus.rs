//! Every bug that the simulation has found, and every one that can be seeded, as the smallest plan that shows it:
//! `sim/corpus/*.json`.

use std::{collections::BTreeMap, path::Path, sync::Mutex, thread};

use ms2m_sim::{
    plan::Found,
    report::{MigrationReport, Violation},
    world::{Tracing, run},
};

/// What a plan does that is not as its file says.
type Otherwise = (String, Vec<MigrationReport>, Vec<Violation>);

#[test]
fn what_was_found_once_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let kept = Found::all(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert!(!kept.is_empty(), "the corpus is empty");
    // Each run is a function of its plan alone, whatever runs beside it.
    let (left, wrong) = (Mutex::new(kept.into_iter()), Mutex::new(BTreeMap::new()));
    let next = || left.lock().expect("nobody panics while they hold it").next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((file, found)) = next() {
                    let Some(otherwise) = otherwise(found) else { continue };
                    wrong.lock().expect("nobody panics while they hold it").insert(name(&file), otherwise);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics while they hold it");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn otherwise(found: Found) -> Option<Otherwise> {
    let verdict = run(found.plan, Tracing::Off);
    let migrations = match verdict.workloads.as_slice() {
        [] => vec![verdict.migration.clone()],
        several => several.iter().map(|workload| workload.migration.clone()).collect(),
    };
    let ends: Vec<&str> = migrations.iter().map(|migration| migration.outcome.as_str()).collect();
    let in_time =
        |migration: &MigrationReport| migration.total_ms.is_some_and(|ms| Some(ms) <= found.within_ms);
    let is_in_time = found.within_ms.is_none() || migrations.iter().all(in_time);
    let is_told = found.story.len() > 20;
    let is_as_said = verdict.holds() && ends == found.ends && is_in_time && is_told;
    (!is_as_said).then_some((found.story, migrations, verdict.violations))
}
