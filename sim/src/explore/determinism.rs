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
    let trace = || -> std::io::Result<Vec<String>> {
        let lines = child.trace(arguments, processor)?.into_iter();
        // Real time is in the report, and differs.
        Ok(lines
            .map(|line| line.split(" ms of real time").next().unwrap_or(&line).to_owned())
            .map(cut)
            .collect())
    };
    let (first, second) = (trace()?, trace()?);
    let differs = first.iter().zip(&second).position(|(one, other)| one != other);
    let differs = differs.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
    Ok(match differs {
        None => Comparison::Same { lines: first.len(), hash: hash_of(&first) },
        Some(at) => {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(ended)".to_owned());
            Comparison::Differs { line: at + 1, first: line(&first), second: line(&second) }
        }
    })
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
