use std::ffi::OsString;

use super::Child;

/// What came of running the same twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Every line is the same; how many there are, and their hash.
    Same {
        /// Lines.
        lines: usize,
        /// The last line, which has the trace's hash.
        hash: String,
    },
    /// They differ first in this line, from 1.
    Differs {
        /// Which.
        line: usize,
        /// The first run's.
        first: String,
        /// The second run's.
        second: String,
    },
}

/// Runs the same twice, in processes of their own, and compares every line of the traces.
pub fn compare_twice(child: &Child, arguments: &[OsString], processor: usize) -> std::io::Result<Comparison> {
    let (first, second) = (child.trace(arguments, processor)?, child.trace(arguments, processor)?);
    Ok(compare(first, second))
}

fn compare(first: Vec<String>, second: Vec<String>) -> Comparison {
    // Real time is in the report, and differs.
    let comparable = |lines: Vec<String>| -> Vec<String> {
        let lines = lines.into_iter();
        lines.map(|line| line.split(" ms of real time").next().unwrap_or(&line).to_owned()).map(cut).collect()
    };
    let (first, second) = (comparable(first), comparable(second));
    let differs = first.iter().zip(&second).position(|(one, other)| one != other);
    let differs = differs.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
    match differs {
        None => Comparison::Same { lines: first.len(), hash: hash_of(&first) },
        Some(at) => {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(ended)".to_owned());
            Comparison::Differs { line: at + 1, first: line(&first), second: line(&second) }
        }
    }
}

/// Without the number before "ms of real time", which is the last thing in its line.
fn cut(line: String) -> String {
    match line.rsplit_once(" · ") {
        Some((before, number)) if number.chars().all(|c| c.is_ascii_digit()) => before.to_owned(),
        _ => line,
    }
}

fn hash_of(lines: &[String]) -> String {
    let hash = lines.iter().rev().find_map(|line| line.split(" · trace ").nth(1));
    hash.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn runs_that_differ_in_real_time_alone_are_the_same() {
        let run =
            |ms| lines(&["0.1 orders says hello", &format!("  seed 3 · trace 5f0a · {ms} ms of real time")]);
        let same = Comparison::Same { lines: 2, hash: "5f0a".to_owned() };
        assert_eq!(compare(run("210"), run("1933")), same);
        assert!(matches!(compare(run("210"), run("x")), Comparison::Differs { line: 2, .. }));
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let differs = |line, first: &str, second: &str| Comparison::Differs {
            line,
            first: first.to_owned(),
            second: second.to_owned(),
        };
        assert_eq!(compare(lines(&["a", "b", "c"]), lines(&["a", "x", "y"])), differs(2, "b", "x"));
        assert_eq!(compare(lines(&["a"]), lines(&["a", "b"])), differs(2, "(ended)", "b"));
        assert_eq!(compare(lines(&["a", "b"]), lines(&["a"])), differs(2, "b", "(ended)"));
    }
}
