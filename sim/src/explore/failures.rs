use std::path::Path;

use crate::plan::Plan;

/// Saves the plan of what failed, so that it can be run again, made small and explained: as NAME.json in a folder, with what a
/// file's name had better not have replaced. The file, or why there is none: what failed is told either way.
pub fn save_plan(folder: &Path, name: &str, plan: &Plan) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    let name: String = name.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let file = folder.join(format!("{name}.json"));
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, plan.to_json())).map_or_else(
        |error| format!("(its plan could not be saved: {error})"),
        |()| file.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;

    #[test]
    fn a_plan_is_saved_under_a_name_that_needs_no_quotes() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let plan = Plan::from(Scenario::new(3));
        let file = save_plan(&folder.path().join("failures"), "cell-slow:a/b@back write-3", &plan);
        assert!(file.ends_with("/failures/cell-slow-a-b@back-write-3.json"), "{file}");
        assert_eq!(Plan::load(Path::new(&file)).expect("it is saved"), plan);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let told = save_plan(Path::new("/dev/null/nowhere"), "seed-1", &Plan::from(Scenario::new(3)));
        assert!(told.starts_with("(its plan could not be saved: "), "{told}");
    }
}
