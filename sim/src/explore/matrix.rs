//! Every kind of fault at every step, and at every write of the operator, in one small scenario.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use indicatif::ProgressBar;

use super::{Child, Class, Outcome, Pool};
use crate::plan::{Fault, FaultKind, Plan, Step};

/// Up to which write of the operator the matrix goes: a migration without a fault needs a few less.
const WRITES: u32 = 48;

/// Kinds that are tried at every single write: what can happen between a decision and its record.
const AT_WRITES: [FaultKind; 7] = [
    FaultKind::CrashOperator,
    FaultKind::LoseAcknowledgement,
    FaultKind::LoseWrite,
    FaultKind::ApiConflicts,
    FaultKind::CompactHistory,
    FaultKind::DropOperator,
    FaultKind::CrashApiServer,
];

/// What came of a fault at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    /// `C`ompleted, `R`olledBack, `F`ailed, `·` where the step is never passed, `!` where something broke.
    letter: char,
    /// Why it ended so.
    reason: String,
}

/// The table: by kind, then by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    rows: BTreeMap<String, BTreeMap<usize, Cell>>,
}

/// The columns, in order.
fn columns() -> Vec<Step> {
    Step::all().into_iter().chain((1..=WRITES).map(Step::Write)).collect()
}

/// The plan of a cell; none where the kind is not tried at such a step.
fn plan(kind: FaultKind, step: Step) -> Option<Plan> {
    if matches!(step, Step::Write(_)) && !AT_WRITES.contains(&kind) {
        return None;
    }
    let plan = Plan::calm(7);
    // Something must make it roll back before it can be disturbed in that.
    let plan = match step {
        Step::Phase(ms2m::api::Phase::RollingBack) | Step::ResumeSent => {
            plan.with(Fault::new(FaultKind::Cancel, Step::StopSent))
        }
        _ => plan,
    };
    Some(plan.with(Fault::new(kind, step)))
}

impl Matrix {
    /// Runs every cell.
    pub fn run(child: &Child, scratch: &std::path::Path, pool: Pool) -> std::io::Result<Self> {
        std::fs::create_dir_all(scratch)?;
        let mut cells = Vec::new();
        for kind in FaultKind::all() {
            for (column, step) in columns().into_iter().enumerate() {
                if let Some(plan) = plan(kind, step) {
                    let file: PathBuf = scratch.join(format!("cell-{}-{column}.json", cells.len()));
                    std::fs::write(&file, plan.to_json())?;
                    cells.push((kind, column, file, plan.faults.len()));
                }
            }
        }
        let bar = ProgressBar::new(cells.len() as u64);
        let mut matrix = Self::default();
        pool.each(
            cells.into_iter(),
            |(.., file, _), worker| child.plan(file, worker),
            |(kind, column, _, faults), outcome, _| {
                bar.inc(1);
                matrix.rows.entry(kind.to_string()).or_default().insert(column, cell(&outcome, faults));
            },
        );
        bar.finish_and_clear();
        Ok(matrix)
    }

    /// The cells that are broken: kind, step, why.
    pub fn broken(&self) -> Vec<String> {
        self.cells()
            .filter(|(.., cell)| cell.letter == '!')
            .map(|(kind, step, cell)| format!("{kind}@{step}: {}", cell.reason))
            .collect()
    }

    fn cells(&self) -> impl Iterator<Item = (&str, Step, &Cell)> {
        let steps = columns();
        self.rows.iter().flat_map(move |(kind, row)| {
            let steps = steps.clone();
            row.iter().filter_map(move |(column, cell)| Some((kind.as_str(), *steps.get(*column)?, cell)))
        })
    }

    /// As it is committed, and compared: one line per kind, one letter per step, and the reasons of what did not complete.
    pub fn render(&self) -> String {
        let steps = columns();
        let mut out = String::from(
            "What becomes of a migration when a fault strikes at a step: C completed, R rolled back, F failed,\n\
             · the step is not passed, blank: not tried. Written by `cargo sim matrix --bless`.\n\nSteps:\n",
        );
        for (index, step) in Step::all().iter().enumerate() {
            let _ = writeln!(out, "  {:>2} {step}", index + 1);
        }
        let _ = writeln!(out, "  then the operator's writes, 1 to {WRITES}\n");
        for (kind, row) in &self.rows {
            let letters: String =
                (0..steps.len()).map(|column| row.get(&column).map_or(' ', |cell| cell.letter)).collect();
            let (at_steps, at_writes): (String, String) = (
                letters.chars().take(Step::all().len()).collect(),
                letters.chars().skip(Step::all().len()).collect(),
            );
            let _ = writeln!(out, "{}", format!("{kind:<32} {at_steps}  {at_writes}").trim_end());
        }
        out.push_str("\nWhy, where it did not complete:\n");
        let mut reasons: BTreeMap<(&str, char, &str), Vec<String>> = BTreeMap::new();
        for (kind, step, cell) in self.cells().filter(|(.., cell)| !matches!(cell.letter, 'C' | '·')) {
            reasons.entry((kind, cell.letter, &cell.reason)).or_default().push(step.to_string());
        }
        for ((kind, letter, reason), steps) in reasons {
            let _ = writeln!(out, "{kind:<32} {letter} {reason}: {}", steps.join(" "));
        }
        out
    }

    /// As a page: the same in colours, with the reason of each cell.
    pub fn html(&self) -> String {
        let steps = columns();
        let mut body = String::from("<table class=matrix><tr><th></th>");
        for step in &steps {
            let _ = write!(body, "<th><span>{step}</span></th>");
        }
        body.push_str("</tr>");
        for (kind, row) in &self.rows {
            let _ = write!(body, "<tr><th>{kind}</th>");
            for (column, step) in steps.iter().enumerate() {
                let _ = match row.get(&column) {
                    Some(Cell { letter, reason }) => {
                        let class = match letter {
                            'C' => "completed",
                            'R' => "rolled-back",
                            'F' => "failed",
                            '!' => "broken",
                            _ => "none",
                        };
                        let reason = crate::report::escape(reason);
                        write!(body, "<td class={class} title=\"{kind}@{step}: {reason}\">{letter}</td>")
                    }
                    None => write!(body, "<td></td>"),
                };
            }
            body.push_str("</tr>");
        }
        body.push_str("</table>");
        let broken = self.broken();
        let verdict = if broken.is_empty() {
            "No cell is broken".to_owned()
        } else {
            format!("{} cells are broken", broken.len())
        };
        crate::report::page("Faults by step", &verdict, broken.is_empty(), &body)
    }
}

fn cell(outcome: &Outcome, faults: usize) -> Cell {
    let summary = &outcome.summary;
    let letter = match (outcome.class, summary.outcome.as_str()) {
        (Class::Holds, _) if summary.struck < faults => '·',
        (Class::Holds, "Completed") => 'C',
        (Class::Holds, "RolledBack") => 'R',
        (Class::Holds, "Failed") => 'F',
        _ => '!',
    };
    let broken = summary.violations.first().map(|broken| format!("{}: {}", broken.invariant, broken.message));
    let reason = match letter {
        '!' => broken.unwrap_or_else(|| outcome.complaint.clone()),
        _ => summary.reason.clone(),
    };
    Cell { letter, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_tried_at_every_step_and_some_at_every_write() {
        let cells =
            FaultKind::all().into_iter().flat_map(|kind| columns().into_iter().map(move |step| (kind, step)));
        let tried = cells.filter(|(kind, step)| plan(*kind, *step).is_some()).count();
        assert_eq!(tried, FaultKind::all().len() * Step::all().len() + AT_WRITES.len() * WRITES as usize);
    }

    #[test]
    fn a_table_reads_well() {
        let cell = |letter, reason: &str| Cell { letter, reason: reason.to_owned() };
        let row = [(0, cell('C', "Migrated")), (1, cell('R', "Cancelled")), (2, cell('!', "NoLoss: 3 lost"))];
        let matrix = Matrix { rows: [("cancel".to_owned(), row.into())].into() };
        insta::assert_snapshot!(matrix.render());
        assert_eq!(matrix.broken(), ["cancel@Mirroring: NoLoss: 3 lost"]);
        assert!(matrix.html().contains("1 cells are broken"));
    }
}
