use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cell, Column, Matrix, command};
use crate::{
    plan::FaultKind,
    report::{Page, Subject},
};

/// What the page's script draws.
#[derive(Serialize)]
struct Data<'a> {
    columns: Vec<Head>,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Head {
    step: String,
    /// Whether another group of columns begins here.
    begins: bool,
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
        let columns = Column::all();
        let heads = Column::groups().into_iter().flat_map(|group| {
            let heads = group.into_iter().enumerate();
            heads.map(|(index, column)| Head { step: column.to_string(), begins: index == 0 })
        });
        let rows = self.rows.iter().map(|(kind, cells)| row(kind, cells, &columns));
        let data = Data { columns: heads.collect(), rows: rows.collect() };
        let broken = self.broken().count();
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

fn row<'a>(kind: &'a str, cells: &'a BTreeMap<usize, Cell>, columns: &[Column]) -> Row<'a> {
    let outcome = |(index, column): (usize, &Column)| {
        let cell = cells.get(&index)?;
        let plan = column.plan(kind.parse::<FaultKind>().ok()?);
        Some(Outcome { letter: cell.letter, reason: &cell.reason, command: command(&plan) })
    };
    Row { kind, cells: columns.iter().enumerate().map(outcome).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_how_it_is_run_again() {
        let cell = || Cell { letter: '!', reason: "NoLoss: </script>".to_owned() };
        let at = |name: &str| Column::all().iter().position(|column| column.to_string() == name).unwrap();
        let columns = ["resumeSent", "write-30", "rollback-write-30", "act-2", "rollback-act-9"];
        let row = columns.map(|name| (at(name), cell()));
        let matrix = Matrix { rows: [("kill-source".to_owned(), row.into())].into() };
        let page = matrix.html("cargo sim matrix").unwrap();
        for command in [
            "cargo sim run --seed 7 --fault cancel@stopSent --fault kill-source@resumeSent",
            "cargo sim run --seed 7 --fault kill-source@write-30",
            "cargo sim run --seed 7 --fault cancel@stopSent --fault kill-source@write-30",
            "cargo sim run --seed 7 --fault kill-source@act-2",
            "cargo sim run --seed 7 --fault cancel@stopSent --fault kill-source@act-9",
        ] {
            assert!(page.contains(&format!("\"{command}\"")), "{command}");
        }
        assert!(page.contains("Invariants broke in 5 cells"));
        assert!(!page.contains("NoLoss: </script>"));
    }
}
