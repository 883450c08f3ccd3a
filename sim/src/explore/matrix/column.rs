use std::{fmt, ops::RangeInclusive, str::FromStr};

use ms2m::api::Phase;

use crate::plan::{Fault, FaultKind, Plan, Step};

/// The operator's writes in the matrix' migration, when nothing breaks.
pub(super) const WRITES: RangeInclusive<u32> = 1..=41;
/// Those on its way back, when it is called off at [`CALLED_OFF_AT`] and nothing else breaks.
pub(super) const WRITES_BACK: RangeInclusive<u32> = 21..=38;
/// Its acts at the broker.
pub(super) const ACTS: RangeInclusive<u32> = 1..=16;
/// Those on its way back.
pub(super) const ACTS_BACK: RangeInclusive<u32> = 8..=13;
/// One of the last steps from which there is a way back: the source may have stopped already, and much has to be undone.
pub(super) const CALLED_OFF_AT: Step = Step::StopSent;

const BACK: &str = "rollback-";

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    step: Step,
    /// Whether the migration is called off before, because nothing is on its way back otherwise.
    called_off: bool,
}

impl Column {
    /// All of them: the steps, the operator's writes, its writes on the way back, and its acts, there and back.
    pub(super) fn groups() -> [Vec<Self>; 5] {
        let counted = |step: fn(u32) -> Step, numbers: RangeInclusive<u32>, called_off| {
            numbers.map(move |number| Self { step: step(number), called_off }).collect()
        };
        let steps = Step::all().into_iter().map(Self::at);
        [
            steps.collect(),
            counted(Step::Write, WRITES, false),
            counted(Step::Write, WRITES_BACK, true),
            counted(Step::Act, ACTS, false),
            counted(Step::Act, ACTS_BACK, true),
        ]
    }

    /// All of them, in order.
    pub(super) fn all() -> Vec<Self> {
        Self::groups().concat()
    }

    pub(super) fn at(step: Step) -> Self {
        Self { step, called_off: matches!(step, Step::Phase(Phase::RollingBack) | Step::ResumeSent) }
    }

    /// Which of the operator's writes or acts it is; nothing where it is none.
    pub(super) fn number(self) -> Option<u32> {
        match self.step {
            Step::Write(number) | Step::Act(number) => Some(number),
            _ => None,
        }
    }

    /// Another write or act on the same way; the same column where it is none.
    pub(super) fn numbered(self, number: u32) -> Self {
        let step = match self.step {
            Step::Write(_) => Step::Write(number),
            Step::Act(_) => Step::Act(number),
            step => step,
        };
        Self { step, ..self }
    }

    /// Whether it is of the write or act right after an earlier one's, on the same way.
    pub(super) fn follows(self, earlier: Self) -> bool {
        earlier.number().is_some_and(|number| earlier.numbered(number + 1) == self)
    }

    /// The plan that lets a fault strike there.
    pub(super) fn plan(self, kind: FaultKind) -> Plan {
        let mut plan = Plan::calm(7);
        // The small scenario has none that could be lost.
        plan.scenario.nodes += usize::from(kind == FaultKind::LoseThirdNode);
        let plan =
            if self.called_off { plan.with(Fault::new(FaultKind::Cancel, CALLED_OFF_AT)) } else { plan };
        plan.with(Fault::new(kind, self.step))
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = if self.called_off && self.number().is_some() { BACK } else { "" };
        f.pad(&format!("{back}{}", self.step))
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(BACK) {
            Some(step) => Ok(Self { step: step.parse()?, called_off: true }),
            None => text.parse().map(Self::at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Tracing, run};

    #[test]
    fn every_column_can_be_named() {
        for column in Column::all() {
            assert_eq!(column.to_string().parse(), Ok(column));
        }
        assert!("rollback-never".parse::<Column>().is_err());
    }

    /// How many faults strike of one at the last column and one right after it. A column too few hides a write or an act; one
    /// too many is never reached.
    fn struck(step: fn(u32) -> Step, numbers: &RangeInclusive<u32>, called_off: bool) -> usize {
        let last = Column { step: step(*numbers.end()), called_off };
        let later = Fault::new(FaultKind::CloseWatches, step(numbers.end() + 1));
        run(last.plan(FaultKind::CloseWatches).with(later), Tracing::Off).struck
    }

    #[test]
    fn the_last_write_there_and_back_has_the_last_column() {
        assert_eq!(struck(Step::Write, &WRITES, false), 1);
        assert_eq!(struck(Step::Write, &WRITES_BACK, true), 2, "it is called off, and a watch is closed");
    }

    #[test]
    fn the_last_act_there_and_back_has_the_last_column() {
        assert_eq!(struck(Step::Act, &ACTS, false), 1);
        assert_eq!(struck(Step::Act, &ACTS_BACK, true), 2, "it is called off, and a watch is closed");
    }

    #[test]
    fn the_first_act_on_the_way_back_has_the_first_column() {
        let strikes_first = |number| {
            let column = Column { step: Step::Act(number), called_off: true };
            run(column.plan(FaultKind::CloseWatches), Tracing::Off).history.strikes[0].kind.clone()
        };
        assert_eq!(strikes_first(*ACTS_BACK.start()), "cancel");
        assert_eq!(strikes_first(ACTS_BACK.start() - 1), "close-watches");
    }
}
