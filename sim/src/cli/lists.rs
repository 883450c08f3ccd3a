//! What a plan can name, each with its documentation from the code.

use std::fmt::Write as _;

use clap::ValueEnum;

use crate::{
    plan::{FaultKind, Step},
    world::Mistake,
};

/// The kinds of faults, and the steps at which they can strike.
pub(super) fn faults() -> String {
    format!("kinds:\n{}steps:\n{}", aligned("  ", &kinds()), aligned("  ", &steps()))
}

/// What a user can get wrong.
pub(super) fn mistakes() -> String {
    aligned("", &wrong())
}

fn wrong() -> Vec<(String, String)> {
    let described = |mistake: Mistake| (mistake.to_string(), documentation(&mistake).unwrap_or_default());
    Mistake::ALL.map(described).into()
}

fn kinds() -> Vec<(String, String)> {
    FaultKind::all().into_iter().map(|kind| (kind.to_string(), kind.meaning().to_owned())).collect()
}

fn steps() -> Vec<(String, String)> {
    let described = |step: Step| {
        // The only ones of `Step::all` that carry something, and so have no documentation of their own.
        let phase = || "The phase is entered".to_owned();
        (step.to_string(), documentation(&step).unwrap_or_else(phase))
    };
    let counted = [
        ("write-N", "The operator's Nth write to the API server"),
        ("act-N", "The operator's Nth act at the broker"),
    ]
    .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    Step::all().into_iter().map(described).chain(counted).collect()
}

fn documentation(value: &impl ValueEnum) -> Option<String> {
    Some(value.to_possible_value()?.get_help()?.to_string())
}

fn aligned(indent: &str, rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut out, (name, meaning)| {
        let _ = writeln!(out, "{indent}{name:<width$}  {meaning}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_every_step_and_every_mistake_is_listed_with_a_line_that_says_what_it_is() {
        for (name, meaning) in kinds().into_iter().chain(steps()).chain(wrong()) {
            assert!(!meaning.is_empty(), "{name} has no documentation");
            assert!(!meaning.contains('\n'), "{name}: {meaning}");
        }
    }

    #[test]
    fn what_they_are_stands_in_one_column() {
        let rows = [("a-pod", "It is gone"), ("b", "It is there")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(aligned("  ", &rows), "  a-pod  It is gone\n  b      It is there\n");
    }
}
