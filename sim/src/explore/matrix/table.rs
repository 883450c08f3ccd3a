//! The matrix as it is committed: one line per kind with a letter per step, then the reasons of what did not complete.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Cell, Column, Matrix,
    column::{ACTS, ACTS_BACK, CALLED_OFF_AT, WRITES, WRITES_BACK},
};
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
- there is nothing to strike, or nothing met it, · the step is not passed. Written by `cargo sim matrix --bless`.
";
/// How the lines begin that say which columns follow the steps.
const THEN: &str = "  then";
const REASONS: &str = "Why, where it did not complete:";
/// How wide a kind's name is.
const NAME: usize = 36;
/// What is between two groups of columns.
const GAP: &str = "  ";

impl Matrix {
    /// As it is committed.
    pub fn render(&self) -> String {
        let mut out = format!("{HEAD}\nSteps:\n");
        for (index, step) in Step::all().iter().enumerate() {
            let _ = writeln!(out, "  {:>2} {step}", index + 1);
        }
        for (what, there, back) in [("writes", WRITES, WRITES_BACK), ("acts at the broker", ACTS, ACTS_BACK)]
        {
            let _ = writeln!(
                out,
                "{THEN} the operator's {what}, 1 to {}, and those on the way back of what is called off at {CALLED_OFF_AT}, \
                 {} to {}",
                there.end(),
                back.start(),
                back.end(),
            );
        }
        out.push('\n');
        for (kind, row) in &self.rows {
            let mut at = 0..;
            let letters = Column::groups().map(|group| {
                let letter = |at| row.get(&at).map_or(' ', |cell: &Cell| cell.letter);
                at.by_ref().take(group.len()).map(letter).collect::<String>()
            });
            let _ = writeln!(out, "{}", format!("{kind:<NAME$} {}", letters.join(GAP)).trim_end());
        }
        let _ = writeln!(out, "\n{REASONS}");
        let mut reasons: BTreeMap<(&str, char, &str), Vec<Column>> = BTreeMap::new();
        for (kind, column, cell) in self.cells().filter(|(.., cell)| !cell.reason.is_empty()) {
            reasons.entry((kind, cell.letter, &cell.reason)).or_default().push(column);
        }
        for ((kind, letter, reason), columns) in reasons {
            let _ = writeln!(out, "{kind:<NAME$} {letter} {reason}: {}", say(&columns));
        }
        out
    }

    /// Reads what [`render`](Self::render) wrote.
    pub fn parse(text: &str) -> Result<Self, NoMatrix> {
        let mut matrix = Self::default();
        let columns = Column::all();
        let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with(THEN)).peekable();
        while lines.next_if(|(_, line)| line.starts_with(THEN)).is_some() {}
        let mut reasons = false;
        for (index, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let read = if line == REASONS {
                reasons = true;
                Some(())
            } else if reasons {
                matrix.read_reason(&columns, line)
            } else {
                matrix.read_row(line)
            };
            read.ok_or_else(|| NoMatrix { line: index + 1, text: line.to_owned() })?;
        }
        if matrix.rows.is_empty() {
            let text = text.lines().next().unwrap_or_default().to_owned();
            return Err(NoMatrix { line: 1, text });
        }
        Ok(matrix)
    }

    fn read_row(&mut self, line: &str) -> Option<()> {
        let (kind, letters) = line.split_at_checked(NAME)?;
        let mut letters = letters.chars().skip(1);
        let (mut row, mut at) = (BTreeMap::new(), 0);
        for group in Column::groups() {
            for letter in letters.by_ref().take(group.len()) {
                if letter != ' ' {
                    row.insert(at, Cell { letter, reason: String::new() });
                }
                at += 1;
            }
            letters.by_ref().take(GAP.len()).for_each(drop);
        }
        self.rows.insert(kind.trim_end().to_owned(), row);
        Some(())
    }

    fn read_reason(&mut self, columns: &[Column], line: &str) -> Option<()> {
        let (kind, rest) = line.split_at_checked(NAME)?;
        let (reason, named) = rest.get(3..)?.rsplit_once(": ")?;
        let row = self.rows.get_mut(kind.trim_end())?;
        for column in hear(named)? {
            let at = columns.iter().position(|known| *known == column)?;
            reason.clone_into(&mut row.get_mut(&at)?.reason);
        }
        Some(())
    }

    /// Where cells of this one are not as expected; cells that were not tried are not compared.
    pub fn differences(&self, expected: &Self) -> Vec<String> {
        let said = |cell: Option<&Cell>| match cell {
            None => "nothing".to_owned(),
            Some(cell) => format!("{} {}", cell.letter, cell.reason).trim_end().to_owned(),
        };
        let columns = Column::all();
        let mut all = Vec::new();
        for (kind, row) in &self.rows {
            for (at, cell) in row {
                let known = expected.rows.get(kind).and_then(|row| row.get(at));
                if known != Some(cell) {
                    let column = columns.get(*at).map(ToString::to_string).unwrap_or_default();
                    all.push(format!("{kind}@{column}: {}, expected {}", said(Some(cell)), said(known)));
                }
            }
        }
        all
    }
}

/// Columns by name; writes that follow each other as one, and acts.
fn say(columns: &[Column]) -> String {
    let runs = columns.chunk_by(|one, next| next.follows(*one)).map(|run| match run {
        [first, .., last] => format!("{first}..{}", last.number().unwrap_or_default()),
        [single] => single.to_string(),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(" ")
}

fn hear(text: &str) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    for word in text.split(' ') {
        match word.split_once("..") {
            Some((first, last)) => {
                let first = first.parse::<Column>().ok()?;
                columns.extend((first.number()?..=last.parse().ok()?).map(|number| first.numbered(number)));
            }
            None => columns.push(word.parse().ok()?),
        }
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::{FaultKind, Plan};

    fn matrix() -> Matrix {
        let cell = |letter, reason: &str| Cell { letter, reason: reason.to_owned() };
        let steps = Step::all().len();
        let back = steps + WRITES.count();
        let acts = back + WRITES_BACK.count();
        let acts_back = acts + ACTS.count();
        let cancel = [
            (0, cell('D', "")),
            (1, cell('R', "Cancelled")),
            (2, cell('!', "NoLoss: 3 lost")),
            (steps, cell('R', "Cancelled")),
            (steps + 1, cell('R', "Cancelled")),
            (steps + 4, cell('C', "")),
            (back, cell('R', "Cancelled")),
            (back + 1, cell('R', "Cancelled")),
            (back + 3, cell('R', "Cancelled")),
            (acts, cell('R', "Cancelled")),
            (acts + 1, cell('R', "Cancelled")),
            (acts_back, cell('R', "Cancelled")),
        ];
        let kill = [(0, cell('C', "")), (5, cell('·', "")), (steps + 3, cell('F', "SourceLost"))];
        Matrix {
            rows: [("cancel".to_owned(), cancel.into()), ("kill-source".to_owned(), kill.into())].into(),
        }
    }

    #[test]
    fn a_table_reads_well() {
        insta::assert_snapshot!(matrix().render());
    }

    #[test]
    fn a_broken_cell_is_told_with_what_does_it_again_and_its_plan_is_kept() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let told = matrix().save_broken(folder.path());
        let plan = folder.path().join("cell-cancel@Mirroring.json");
        let again = "REPRODUCE WITH: cargo sim run --seed 7 --fault cancel@Mirroring";
        assert_eq!(told, [format!("cancel@Mirroring: NoLoss: 3 lost\n  {again}   plan: {}", plan.display())]);
        let column: Column = "Mirroring".parse().expect("it is one");
        assert_eq!(Plan::load(&plan).expect("it is saved"), column.plan(FaultKind::Cancel));
    }

    #[test]
    fn every_kind_has_room_for_its_name() {
        for kind in crate::plan::FaultKind::all() {
            assert!(kind.to_string().len() < NAME, "{kind}");
        }
    }

    #[test]
    fn the_committed_table_is_one_that_was_written() {
        let committed = include_str!("../../../matrix.txt");
        let matrix = Matrix::parse(committed).expect("it can be read");
        assert_eq!(matrix.render(), committed);
        assert_eq!(matrix.broken().count(), 0);
        assert!(matrix.rows.values().all(|row| row.len() == Column::all().len()), "a cell is missing");
        let kinds: BTreeSet<String> = FaultKind::all().iter().map(ToString::to_string).collect();
        let rows: BTreeSet<String> = matrix.rows.keys().map(ToString::to_string).collect();
        assert_eq!(rows, kinds, "a row for each kind, and no other");
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
