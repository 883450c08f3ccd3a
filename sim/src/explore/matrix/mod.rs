//! Every kind of fault at every step, and at every write of the operator and every act of it at the broker, there and back, in
//! one small scenario.
//!
//! ```text
//!   column  where faults strike, and the plan that lets one strike there
//!   mod     what comes of each
//!   table   as it is committed, read again and compared
//!   page    as HTML
//! ```

mod column;
mod page;
mod table;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use indicatif::ProgressBar;

use self::column::Column;
use super::{Child, Class, Outcome, Pool, save_plan};
use crate::plan::{FaultKind, Plan, Scenario};

/// What came of a fault at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    /// `C`ompleted, `R`olledBack, `F`ailed, `D` where the object was deleted before anything began, `-` where there is
    /// nothing to strike, `·` where the step is never passed, `!` where something broke.
    letter: char,
    /// Why it ended so.
    reason: String,
}

/// The table: by kind, then by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    rows: BTreeMap<String, BTreeMap<usize, Cell>>,
}

/// A part of the cells: every `of`th, from the `which`th on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    which: usize,
    of: usize,
}

impl Part {
    /// All of them.
    pub const ALL: Self = Self { which: 1, of: 1 };

    /// Its cells: the kind, and the column with its number.
    fn cells(self, kinds: &[FaultKind]) -> impl Iterator<Item = (FaultKind, usize, Column)> + '_ {
        let all = kinds.iter().flat_map(|kind| {
            Column::all().into_iter().enumerate().map(move |(at, column)| (*kind, at, column))
        });
        all.skip(self.which - 1).step_by(self.of)
    }
}

/// Why a text names no part.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no part; write such as 2/6 for the second sixth of the cells")]
pub struct NoPart(String);

impl FromStr for Part {
    type Err = NoPart;

    fn from_str(text: &str) -> Result<Self, NoPart> {
        let refused = || NoPart(text.to_owned());
        let (which, of) = text.split_once('/').ok_or_else(refused)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| refused());
        let (which, of) = (number(which)?, number(of)?);
        if (1..=of).contains(&which) { Ok(Self { which, of }) } else { Err(refused()) }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.which, self.of)
    }
}

/// The command line that runs one cell.
fn command(plan: &Plan) -> String {
    let nodes = match plan.scenario.nodes {
        usual if usual == Scenario::new(0).nodes => String::new(),
        nodes => format!(" --nodes {nodes}"),
    };
    let faults = plan.faults.iter().map(|fault| format!(" --fault {fault}"));
    std::iter::once(format!("cargo sim run --seed {}{nodes}", plan.scenario.seed)).chain(faults).collect()
}

impl Matrix {
    /// Runs every cell of a part of what some kinds have.
    pub fn run(
        child: &Child,
        kinds: &[FaultKind],
        part: Part,
        scratch: &Path,
        pool: Pool,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(scratch)?;
        let mut cells = Vec::new();
        for (index, (kind, at, column)) in part.cells(kinds).enumerate() {
            let plan = column.plan(kind);
            let file: PathBuf = scratch.join(format!("cell-{index}.json"));
            std::fs::write(&file, plan.to_json())?;
            cells.push((kind, at, file, plan.faults.len()));
        }
        let bar = ProgressBar::new(cells.len() as u64);
        let mut matrix = Self::default();
        pool.each(
            cells.into_iter(),
            |(.., file, _), worker| child.plan(file, worker),
            |(kind, at, _, faults), outcome, _| {
                bar.inc(1);
                matrix.rows.entry(kind.to_string()).or_default().insert(at, cell(&outcome, faults));
            },
        );
        bar.finish_and_clear();
        Ok(matrix)
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.rows.values().map(BTreeMap::len).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The cells that are broken: kind, column, why, the command that does it again, and the plan, which is saved in a folder.
    pub fn save_broken(&self, failures: &Path) -> Vec<String> {
        let told = self.broken().map(|(kind, column, cell)| {
            let again = kind.parse().map_or_else(
                |_| String::new(),
                |fault| {
                    let plan = column.plan(fault);
                    let saved = save_plan(failures, &format!("cell-{kind}@{column}"), &plan);
                    format!("\n  REPRODUCE WITH: {}   plan: {saved}", command(&plan))
                },
            );
            format!("{kind}@{column}: {}{again}", cell.reason)
        });
        told.collect()
    }

    fn broken(&self) -> impl Iterator<Item = (&str, Column, &Cell)> {
        self.cells().filter(|(.., cell)| cell.letter == '!')
    }

    fn cells(&self) -> impl Iterator<Item = (&str, Column, &Cell)> {
        let columns = Column::all();
        self.rows.iter().flat_map(move |(kind, row)| {
            let columns = columns.clone();
            row.iter().filter_map(move |(at, cell)| Some((kind.as_str(), *columns.get(*at)?, cell)))
        })
    }
}

fn cell(outcome: &Outcome, faults: usize) -> Cell {
    let summary = &outcome.summary;
    let letter = match (outcome.class, summary.outcome.as_str()) {
        (Class::Holds, _) if summary.struck + summary.in_vain < faults => '·',
        (Class::Holds, _) if summary.in_vain > 0 => '-',
        (Class::Holds, "Completed") => 'C',
        (Class::Holds, "RolledBack") => 'R',
        (Class::Holds, "Failed") => 'F',
        (Class::Holds, "Deleted") => 'D',
        _ => '!',
    };
    let broken = summary.violations.first().map(|broken| format!("{}: {}", broken.invariant, broken.message));
    let reason = match letter {
        '!' => broken.unwrap_or_else(|| format!("{} {}", summary.outcome, outcome.complaint)),
        'R' | 'F' => summary.reason.clone(),
        _ => String::new(),
    };
    Cell { letter, reason }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        column::{ACTS, ACTS_BACK, WRITES, WRITES_BACK},
        *,
    };
    use crate::plan::Step;

    #[test]
    fn the_parts_together_are_every_kind_at_every_step_write_and_act() {
        let mut seen = BTreeSet::new();
        let kinds = FaultKind::all();
        for part in ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"] {
            for cell in part.parse::<Part>().unwrap().cells(&kinds) {
                assert!(seen.insert(cell), "{cell:?} twice");
            }
        }
        let counted = [WRITES, WRITES_BACK, ACTS, ACTS_BACK].map(Iterator::count);
        let columns = Step::all().len() + counted.iter().sum::<usize>();
        assert_eq!(seen.len(), FaultKind::all().len() * columns);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        assert_eq!("2/6".parse(), Ok(Part { which: 2, of: 6 }));
        for text in ["0/6", "7/6", "1", "a/b", "1/0"] {
            let error = text.parse::<Part>().unwrap_err().to_string();
            assert!(error.contains("such as 2/6"), "{error}");
        }
    }
}
