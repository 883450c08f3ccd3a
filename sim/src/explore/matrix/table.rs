//! The matrix as it is committed: one line per kind with a letter per step, then the reasons of what did not complete.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Cell, Matrix, WRITES, columns};
use crate::plan::Step;

/// Why a text is no matrix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is none of a matrix: {text:?}; `cargo sim matrix --bless` writes one")]
pub struct NoMatrix {
    line: usize,
    text: String,
}

const HEAD: &str = "\
What becomes of a migration when a fault strikes at a step: C completed, R rolled back, F failed, D deleted before it began,
· the step is not passed. Written by `cargo sim matrix --bless`.
";
const REASONS: &str = "Why, where it did not complete:";
/// How wide a kind's name is.
const NAME: usize = 32;

impl Matrix {
    /// As it is committed.
    pub fn render(&self) -> String {
        let steps = columns();
        let mut out = format!("{HEAD}\nSteps:\n");
        for (index, step) in Step::all().iter().enumerate() {
            let _ = writeln!(out, "  {:>2} {step}", index + 1);
        }
        let _ = writeln!(out, "  then the operator's writes, 1 to {WRITES}\n");
        for (kind, row) in &self.rows {
            let letter = |column| row.get(&column).map_or(' ', |cell: &Cell| cell.letter);
            let at_steps: String = (0..Step::all().len()).map(letter).collect();
            let at_writes: String = (Step::all().len()..steps.len()).map(letter).collect();
            let _ = writeln!(out, "{}", format!("{kind:<NAME$} {at_steps}  {at_writes}").trim_end());
        }
        let _ = writeln!(out, "\n{REASONS}");
        let mut reasons: BTreeMap<(&str, char, &str), Vec<Step>> = BTreeMap::new();
        for (kind, step, cell) in self.cells().filter(|(.., cell)| !cell.reason.is_empty()) {
            reasons.entry((kind, cell.letter, &cell.reason)).or_default().push(step);
        }
        for ((kind, letter, reason), steps) in reasons {
            let _ = writeln!(out, "{kind:<NAME$} {letter} {reason}: {}", say(&steps));
        }
        out
    }

    /// Reads what [`render`](Self::render) wrote.
    pub fn parse(text: &str) -> Result<Self, NoMatrix> {
        let mut matrix = Self::default();
        let steps = columns();
        let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("  then"));
        lines.next();
        let mut reasons = false;
        for (index, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let read = if line == REASONS {
                reasons = true;
                Some(())
            } else if reasons {
                matrix.read_reason(&steps, line)
            } else {
                matrix.read_row(line)
            };
            read.ok_or_else(|| NoMatrix { line: index + 1, text: line.to_owned() })?;
        }
        Ok(matrix)
    }

    fn read_row(&mut self, line: &str) -> Option<()> {
        let (kind, letters) = line.split_at_checked(NAME)?;
        let letters: Vec<char> = letters.chars().skip(1).collect();
        let at_steps = Step::all().len();
        let cells = letters.iter().enumerate().filter(|(at, letter)| **letter != ' ' && *at != at_steps);
        let row = cells.map(|(at, letter)| {
            let column = if at > at_steps { at - 2 } else { at };
            (column, Cell { letter: *letter, reason: String::new() })
        });
        self.rows.insert(kind.trim_end().to_owned(), row.collect());
        Some(())
    }

    fn read_reason(&mut self, steps: &[Step], line: &str) -> Option<()> {
        let (kind, rest) = line.split_at_checked(NAME)?;
        let (reason, named) = rest.get(3..)?.rsplit_once(": ")?;
        let row = self.rows.get_mut(kind.trim_end())?;
        for step in hear(named)? {
            let column = steps.iter().position(|known| *known == step)?;
            reason.clone_into(&mut row.get_mut(&column)?.reason);
        }
        Some(())
    }

    /// Where cells of this one are not as expected; cells that were not tried are not compared.
    pub fn differences(&self, expected: &Self) -> Vec<String> {
        let said = |cell: Option<&Cell>| match cell {
            None => "nothing".to_owned(),
            Some(cell) => format!("{} {}", cell.letter, cell.reason).trim_end().to_owned(),
        };
        let steps = columns();
        let mut all = Vec::new();
        for (kind, row) in &self.rows {
            for (column, cell) in row {
                let known = expected.rows.get(kind).and_then(|row| row.get(column));
                if known != Some(cell) {
                    let step = steps.get(*column).map(ToString::to_string).unwrap_or_default();
                    all.push(format!("{kind}@{step}: {}, expected {}", said(Some(cell)), said(known)));
                }
            }
        }
        all
    }
}

/// Steps by name; writes that follow each other as one.
fn say(steps: &[Step]) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut run: Option<(u32, u32)> = None;
    let flush = |run: &mut Option<(u32, u32)>, said: &mut Vec<String>| match run.take() {
        None => {}
        Some((first, last)) if first == last => said.push(format!("write-{first}")),
        Some((first, last)) => said.push(format!("write-{first}..{last}")),
    };
    for step in steps {
        match (step, &mut run) {
            (Step::Write(count), Some((_, last))) if *last + 1 == *count => *last = *count,
            (Step::Write(count), _) => {
                flush(&mut run, &mut said);
                run = Some((*count, *count));
            }
            (step, _) => said.push(step.to_string()),
        }
    }
    flush(&mut run, &mut said);
    said.join(" ")
}

fn hear(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for word in text.split(' ') {
        match word.strip_prefix("write-").and_then(|range| range.split_once("..")) {
            Some((first, last)) => {
                steps.extend((first.parse().ok()?..=last.parse::<u32>().ok()?).map(Step::Write));
            }
            None => steps.push(word.parse().ok()?),
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let cell = |letter, reason: &str| Cell { letter, reason: reason.to_owned() };
        let steps = Step::all().len();
        let cancel = [
            (0, cell('D', "")),
            (1, cell('R', "Cancelled")),
            (2, cell('!', "NoLoss: 3 lost")),
            (steps, cell('R', "Cancelled")),
            (steps + 1, cell('R', "Cancelled")),
            (steps + 4, cell('C', "")),
        ];
        let kill = [(0, cell('C', "")), (5, cell('·', "")), (steps + 3, cell('F', "SourceLost"))];
        Matrix {
            rows: [("cancel".to_owned(), cancel.into()), ("kill-source".to_owned(), kill.into())].into(),
        }
    }

    #[test]
    fn a_table_reads_well() {
        insta::assert_snapshot!(matrix().render());
        assert_eq!(matrix().broken(), ["cancel@Mirroring: NoLoss: 3 lost"]);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = matrix().render();
        assert_eq!(Matrix::parse(&text), Ok(matrix()));
        let broken = text.replace("SourceLost: write", "SourceLost: wrote");
        assert_eq!(Matrix::parse(&broken).unwrap_err().line, text.lines().count());
    }

    #[test]
    fn a_cell_that_is_not_as_expected_is_named() {
        let mut other = matrix();
        other.rows.get_mut("cancel").unwrap().insert(1, Cell { letter: 'C', reason: String::new() });
        other.rows.remove("kill-source");
        assert_eq!(other.differences(&matrix()), ["cancel@Pending: C, expected R Cancelled"]);
        let expected = matrix().differences(&other);
        assert_eq!(expected[0], "cancel@Pending: R Cancelled, expected C");
        assert_eq!(expected[1], "kill-source@asked: C, expected nothing");
    }
}
