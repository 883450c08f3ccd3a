use std::{io, path::PathBuf};

use super::{Child, Class, Outcome};
use crate::plan::{Fault, Knobs, Pace, Plan, Workload};

/// Makes a plan that breaks something smaller, as long as it breaks the same.
#[derive(Debug)]
pub struct Shrink<'a> {
    child: &'a Child,
    /// Where candidates are put for the runs to read.
    scratch: PathBuf,
    /// What the smallest plan so far breaks.
    breaks: (Class, String),
    tried: u32,
}

/// Why a plan was not made smaller.
#[derive(Debug, thiserror::Error)]
pub enum NotShrunk {
    /// There is nothing to look for.
    #[error("the plan breaks nothing: every invariant holds")]
    Holds,
    /// A candidate could not be written.
    #[error("a smaller plan could not be written: {0}")]
    Scratch(#[from] io::Error),
}

/// The smallest plan that was found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What it breaks.
    pub breaks: String,
    /// How many runs that took.
    pub tried: u32,
}

impl<'a> Shrink<'a> {
    /// Shrinks a plan; `say` hears of each success.
    pub fn run(
        child: &'a Child,
        scratch: PathBuf,
        plan: &Plan,
        mut say: impl FnMut(&str),
    ) -> Result<Shrunk, NotShrunk> {
        let mut shrink = Self { child, scratch, breaks: (Class::Holds, String::new()), tried: 0 };
        shrink.breaks = shrink.outcome(plan)?;
        if shrink.breaks.0 == Class::Holds {
            return Err(NotShrunk::Holds);
        }
        let mut smallest = plan.clone();
        while let Some((what, smaller)) = shrink.smaller(&smallest)? {
            smallest = smaller;
            say(&format!(
                "{what}: {} faults, {} migrations",
                smallest.faults.len(),
                smallest.scenario.workloads.len()
            ));
        }
        Ok(Shrunk { plan: smallest, breaks: shrink.breaks.1, tried: shrink.tried })
    }

    /// The first candidate that breaks the same.
    fn smaller(&mut self, plan: &Plan) -> Result<Option<(&'static str, Plan)>, NotShrunk> {
        for (what, candidate) in candidates(plan) {
            if candidate != *plan && candidate.check().is_ok() && self.outcome(&candidate)? == self.breaks {
                return Ok(Some((what, candidate)));
            }
        }
        Ok(None)
    }

    fn outcome(&mut self, plan: &Plan) -> Result<(Class, String), NotShrunk> {
        self.tried += 1;
        std::fs::write(&self.scratch, plan.to_json())?;
        let Outcome { class, summary, .. } = self.child.plan(&self.scratch, 0);
        let first = summary.violations.into_iter().next().map(|broken| broken.invariant);
        Ok((class, first.unwrap_or_default()))
    }
}

/// Plans with a little less in them, the boldest first.
fn candidates(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let mut all = Vec::new();
    for index in 0..plan.faults.len() {
        let mut without = plan.clone();
        without.faults.remove(index);
        all.push(("without a fault", without));
    }
    for index in 0..plan.scenario.workloads.len() {
        if let Some(without) = without_workload(plan, index) {
            all.push(("without a migration", without));
        }
    }
    for index in 0..plan.scenario.workloads.len() {
        all.extend(without_last_round(plan, index).map(|without| ("without a later migration", without)));
    }
    for index in 0..plan.faults.len() {
        for (what, fault) in simpler_faults(&plan.faults[index]) {
            let mut simpler = plan.clone();
            simpler.faults[index] = fault;
            all.push((what, simpler));
        }
    }
    all.extend(simpler_scenarios(plan));
    all
}

/// What is about another migration moves up with it; what is about this one goes.
fn without_workload(plan: &Plan, index: usize) -> Option<Plan> {
    if plan.scenario.workloads.len() == 1 || plan.faults.iter().any(|fault| fault.at.workload == index) {
        return None;
    }
    let mut without = plan.clone();
    without.scenario.workloads.remove(index);
    for fault in &mut without.faults {
        fault.at.workload -= usize::from(fault.at.workload > index);
    }
    Some(without)
}

/// Faults that are about the last migration of a workload move to the one before.
fn without_last_round(plan: &Plan, index: usize) -> Option<Plan> {
    let mut without = plan.clone();
    let rounds = &mut without.scenario.workloads[index].rounds;
    *rounds = rounds.checked_sub(1).filter(|rounds| *rounds > 0)?;
    let last = *rounds - 1;
    for fault in without.faults.iter_mut().filter(|fault| fault.at.workload == index) {
        fault.at.round = fault.at.round.min(last);
    }
    Some(without)
}

fn simpler_faults(fault: &Fault) -> Vec<(&'static str, Fault)> {
    let mut at_once = fault.clone();
    at_once.at.after_ms = 0;
    let usual = Fault { lasts_ms: fault.kind.usual_ms(), ..fault.clone() };
    let shorter = Fault { lasts_ms: fault.lasts_ms / 2, ..fault.clone() };
    let mut simpler = vec![("a fault at its step", at_once)];
    // The usual duration reads best; but a longer fault is no smaller plan.
    if usual.lasts_ms < fault.lasts_ms {
        simpler.push(("a fault that lasts as usual", usual));
    }
    if shorter.lasts_ms >= 50 {
        simpler.push(("a shorter fault", shorter));
    }
    simpler
}

fn simpler_scenarios(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let change = |act: &dyn Fn(&mut Plan)| {
        let mut changed = plan.clone();
        act(&mut changed);
        changed
    };
    let each = |act: fn(&mut Workload)| change(&move |plan| plan.scenario.workloads.iter_mut().for_each(act));
    vec![
        ("usual settings", each(|workload| workload.knobs = Knobs::default())),
        ("small messages", each(|workload| workload.padding = 0)),
        ("no delay", each(|workload| workload.delay_ms = 0)),
        ("usual prefetch", each(|workload| workload.prefetch = 16)),
        ("usual work", each(|workload| workload.work_us = 4_000)),
        ("one producer", each(|workload| workload.producers = 1)),
        (
            "fewer messages",
            each(|workload| workload.rate = (workload.rate / 2.0).max(5.0).min(workload.rate)),
        ),
        ("usual pace", change(&|plan| plan.scenario.pace = Pace::default())),
        ("whole writes", change(&|plan| plan.scenario.fragmented = false)),
        ("usual latency", change(&|plan| plan.scenario.latency_us_max = 2_000)),
        ("a short warm-up", change(&|plan| plan.scenario.warm_up_ms = 500)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_a_plan_that_makes_sense() {
        for seed in 0..100 {
            for (what, candidate) in candidates(&Plan::random(seed)) {
                assert_eq!(candidate.check(), Ok(()), "{what}");
            }
        }
    }

    #[test]
    fn what_is_about_a_later_migration_moves_up_with_it() {
        let seeds = 0..1_000;
        let several = seeds.map(Plan::random).find(|plan| {
            plan.scenario.workloads.len() > 2
                && plan.faults.iter().all(|fault| fault.at.workload != 0)
                && plan.faults.iter().any(|fault| fault.at.workload == 1)
        });
        let several = several.expect("one of a thousand plans is like that");
        let without = without_workload(&several, 0).expect("no fault is about it");
        assert_eq!(without.scenario.workloads[..], several.scenario.workloads[1..]);
        for (was, is) in several.faults.iter().zip(&without.faults) {
            assert_eq!(is.at.workload + 1, was.at.workload);
        }
    }
}
