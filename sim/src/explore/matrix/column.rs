use std::{fmt, ops::RangeInclusive, str::FromStr};

use ms2m::api::Phase;

use crate::plan::{Fault, FaultKind, Plan, Step};

/// The operator's writes in the matrix' migration, when nothing breaks.
pub(super) const WRITES: RangeInclusive<u32> = 1..=42;
/// Those on its way back, when it is called off at [`CALLED_OFF_AT`] and nothing else breaks.
pub(super) const WRITES_BACK: RangeInclusive<u32> = 22..=39;
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
    /// All of them: the steps, the operator's writes, and its writes on the way back.
    pub(super) fn groups() -> [Vec<Self>; 3] {
        let writes = |numbers: RangeInclusive<u32>, called_off| {
            numbers.map(move |number| Self { step: Step::Write(number), called_off }).collect()
        };
        let steps = Step::all().into_iter().map(Self::at);
        [steps.collect(), writes(WRITES, false), writes(WRITES_BACK, true)]
    }

    /// All of them, in order.
    pub(super) fn all() -> Vec<Self> {
        Self::groups().concat()
    }

    pub(super) fn at(step: Step) -> Self {
        Self { step, called_off: matches!(step, Step::Phase(Phase::RollingBack) | Step::ResumeSent) }
    }

    /// Which of the operator's writes it is, and whether on the way back; nothing where it is none.
    pub(super) fn write(self) -> Option<(bool, u32)> {
        match self.step {
            Step::Write(number) => Some((self.called_off, number)),
            _ => None,
        }
    }

    pub(super) fn of_write(back: bool, number: u32) -> Self {
        Self { step: Step::Write(number), called_off: back }
    }

    /// The plan that lets a fault strike there.
    pub(super) fn plan(self, kind: FaultKind) -> Plan {
        let plan = Plan::calm(7);
        let plan =
            if self.called_off { plan.with(Fault::new(FaultKind::Cancel, CALLED_OFF_AT)) } else { plan };
        plan.with(Fault::new(kind, self.step))
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = if self.write().is_some_and(|(back, _)| back) { BACK } else { "" };
        f.pad(&format!("{back}{}", self.step))
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(BACK) {
            Some(write) => Ok(Self { step: write.parse()?, called_off: true }),
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

    /// A column too few hides a write; one too many is never reached.
    #[test]
    fn the_last_write_there_and_back_has_the_last_column() {
        let last = |writes: RangeInclusive<u32>, called_off| {
            let column = |number| Column { step: Step::Write(number), called_off };
            let later = Fault::new(FaultKind::CloseWatches, Step::Write(writes.end() + 1));
            column(*writes.end()).plan(FaultKind::CloseWatches).with(later)
        };
        assert_eq!(run(last(WRITES, false), Tracing::Off).struck, 1);
        assert_eq!(
            run(last(WRITES_BACK, true), Tracing::Off).struck,
            2,
            "it is called off, and a watch is closed"
        );
    }
}
