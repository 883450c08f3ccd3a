use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ms2m_app::seeded_bug::SeededBug;
use serde::Deserialize;
use serde_json::Value;

use super::Plan;

/// A plan that found a bug, with what it is about: a file of `sim/corpus`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Found {
    /// What went wrong once.
    pub story: String,
    /// How each migration ends now.
    pub ends: Vec<String>,
    /// How long each may take for it, in milliseconds, where what went wrong was that it took longer.
    #[serde(default)]
    pub within_ms: Option<u64>,
    /// Seeded bugs that it catches, each with the invariant that breaks first then.
    #[serde(default)]
    pub catches: BTreeMap<SeededBug, String>,
    /// What shows it.
    pub plan: Plan,
}

/// Why a file holds no plan.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// It cannot be read.
    #[error("the plan {path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The folder cannot be read.
    #[error("the folder {path} cannot be read: {error}; the plans that are kept are in sim/corpus")]
    UnreadableFolder {
        /// The folder.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It says something else.
    #[error(
        "{path} is no plan, neither alone nor with its story as in sim/corpus: {error}; `cargo sim plan --seed N` writes one"
    )]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong in it.
        error: serde_json::Error,
    },
    /// It makes no sense.
    #[error("{path}: {problem}")]
    Senseless {
        /// The file.
        path: String,
        /// What makes no sense.
        problem: String,
    },
}

impl Plan {
    /// Reads a plan that was saved, alone or as a file of `sim/corpus`.
    pub fn load(path: &Path) -> Result<Self, NoPlan> {
        let plan: Self = read(path, |text| {
            // Only what has a plan in it can be the one with the story; so the error is about what was meant.
            let has_story = serde_json::from_str::<Value>(text)?.get("plan").is_some();
            if has_story {
                serde_json::from_str(text).map(|found: Found| found.plan)
            } else {
                serde_json::from_str(text)
            }
        })?;
        plan.checked(path)
    }

    fn checked(self, path: &Path) -> Result<Self, NoPlan> {
        match self.check() {
            Ok(()) => Ok(self),
            Err(problem) => Err(NoPlan::Senseless { path: path.display().to_string(), problem }),
        }
    }
}

impl Found {
    /// Reads a file of `sim/corpus`.
    pub fn load(path: &Path) -> Result<Self, NoPlan> {
        let found: Self = read(path, |text| serde_json::from_str(text))?;
        Ok(Self { plan: found.plan.checked(path)?, ..found })
    }

    /// Reads all files of a folder such as `sim/corpus`, by their names.
    pub fn all(folder: &Path) -> Result<BTreeMap<PathBuf, Self>, NoPlan> {
        let unreadable = |error| NoPlan::UnreadableFolder { path: folder.display().to_string(), error };
        let files = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut files: Vec<_> = files.map_err(unreadable)?.into_iter().map(|file| file.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.into_iter().map(|file| Ok((file.clone(), Self::load(&file)?))).collect()
    }
}

fn read<T>(path: &Path, parse: impl FnOnce(&str) -> serde_json::Result<T>) -> Result<T, NoPlan> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| NoPlan::Unreadable { path: name(), error })?;
    parse(&text).map_err(|error| NoPlan::Malformed { path: name(), error })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn loaded(text: &str) -> Result<Plan, String> {
        let folder = TempDir::new().expect("a folder can be made");
        let file = folder.path().join("plan.json");
        fs::write(&file, text).expect("a file can be written");
        Plan::load(&file).map_err(|error| error.to_string())
    }

    fn with_story(plan: &str) -> String {
        format!(r#"{{ "story": "It went wrong.", "ends": ["Completed"], "plan": {plan} }}"#)
    }

    #[test]
    fn a_plan_is_read_alone_and_with_its_story() {
        let plan = Plan::random(5);
        assert_eq!(loaded(&plan.to_json()), Ok(plan.clone()));
        assert_eq!(loaded(&with_story(&plan.to_json())), Ok(plan));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_what_is_wrong() {
        let two = Plan::calm(1).with("kill-source@Pending#1".parse().expect("well written"));
        for (text, piece) in [
            ("", "EOF while parsing"),
            ("[1, 2]", "is no plan"),
            ("{}", "missing field `scenario`"),
            (r#"{ "story": "It went wrong.", "ends": [] }"#, "unknown field `story`"),
            (r#"{ "plan": {} }"#, "missing field `scenario`"),
            (&format!(r#"{{ "plan": {} }}"#, Plan::calm(1).to_json()), "missing field `story`"),
            (&with_story(&two.to_json()), "is about workload 1"),
            (&two.to_json(), "is about workload 1"),
        ] {
            let error = loaded(text).expect_err(text);
            assert!(error.contains(piece) && error.contains("plan.json"), "{text}: {error}");
        }
        let missing = Plan::load(Path::new("/nowhere/plan.json")).expect_err("there is none").to_string();
        assert!(missing.contains("the plan /nowhere/plan.json cannot be read: No such file"), "{missing}");
        let none = Found::all(Path::new("/nowhere")).expect_err("there is none").to_string();
        assert!(
            none.contains("/nowhere cannot be read: No such file") && none.contains("sim/corpus"),
            "{none}"
        );
    }
}
