use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cell, Matrix, columns, plan};
use crate::{
    plan::{FaultKind, Plan, Step},
    report::{Page, Subject},
};

/// What the page's script draws.
#[derive(Serialize)]
struct Data<'a> {
    columns: Vec<Column>,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Column {
    step: String,
    is_write: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    kind: &'a str,
    cells: Vec<Option<Outcome<'a>>>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    letter: char,
    reason: &'a str,
    command: String,
}

impl Matrix {
    /// The table as a page, with the reason of each cell; `command` does it again.
    pub fn html(&self, command: &str) -> serde_json::Result<String> {
        let steps = columns();
        let column =
            |step: &Step| Column { step: step.to_string(), is_write: matches!(step, Step::Write(_)) };
        let rows = self.rows.iter().map(|(kind, cells)| row(kind, cells, &steps));
        let data = Data { columns: steps.iter().map(column).collect(), rows: rows.collect() };
        let broken = self.broken().len();
        let page = Page {
            subject: Subject::Matrix,
            title: "Every fault at every step".to_owned(),
            verdict: match broken {
                0 => "No invariant broke in any cell".to_owned(),
                1 => "An invariant broke in 1 cell".to_owned(),
                several => format!("Invariants broke in {several} cells"),
            },
            holds: broken == 0,
            command: command.to_owned(),
        };
        page.render(&data)
    }
}

fn row<'a>(kind: &'a str, cells: &'a BTreeMap<usize, Cell>, steps: &[Step]) -> Row<'a> {
    let outcome = |(index, step): (usize, &Step)| {
        let cell = cells.get(&index)?;
        let plan = plan(kind.parse::<FaultKind>().ok()?, *step);
        Some(Outcome { letter: cell.letter, reason: &cell.reason, command: command(&plan) })
    };
    Row { kind, cells: steps.iter().enumerate().map(outcome).collect() }
}

/// The command line that runs one cell.
fn command(plan: &Plan) -> String {
    let faults = plan.faults.iter().map(|fault| format!(" --fault {fault}"));
    std::iter::once(format!("cargo sim run --seed {}", plan.scenario.seed)).chain(faults).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_how_it_is_run_again() {
        let cell = Cell { letter: '!', reason: "NoLoss: </script>".to_owned() };
        let last = columns().iter().position(|step| *step == Step::ResumeSent).unwrap();
        let matrix = Matrix { rows: [("kill-source".to_owned(), [(last, cell)].into())].into() };
        let page = matrix.html("cargo sim matrix").unwrap();
        assert!(
            page.contains("cargo sim run --seed 7 --fault cancel@stopSent --fault kill-source@resumeSent")
        );
        assert!(page.contains("An invariant broke in 1 cell"));
        assert!(!page.contains("NoLoss: </script>"));
    }
}
