//! Every bug that the simulation has found, as the smallest plan that showed it: `sim/corpus/*.json`.

use std::{collections::BTreeMap, fs, path::Path};

use ms2m_sim::{
    plan::Plan,
    world::{Tracing, run},
};
use serde::Deserialize;

/// A plan with what it is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Found {
    /// What went wrong once.
    story: String,
    /// How each migration ends now.
    ends: Vec<String>,
    plan: Plan,
}

#[test]
fn what_was_found_once_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let files = fs::read_dir(&folder).expect("there is a corpus");
    let mut wrong = BTreeMap::new();
    let mut count = 0;
    for file in files {
        let file = file.expect("the folder can be read").path();
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("the file can be read");
        let found: Found = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.story.len() > 20, "{name} tells nothing");
        found.plan.check().unwrap_or_else(|problem| panic!("{name}: {problem}"));
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
