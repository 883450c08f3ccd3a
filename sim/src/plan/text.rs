//! Faults as a person writes them: `kind@step`, such as `crash-operator@Replaying`, with `+delay`, `#workload`, `~duration`
//! where needed: `partition:operator-broker@Mirroring+200ms#1~5s`; `#1.2` is the third migration of workload 1.

use std::{fmt, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Fault, FaultKind, Moment, Step};

/// What is before the number of the operator's write.
const WRITE: &str = "write-";
/// The same of its act at the broker.
const ACT: &str = "act-";

/// Why a text is no fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no fault: {problem}; write kind@step, such as crash-operator@Replaying or \
         partition:operator-broker@write-12+200ms#0~5s, in this order; `cargo sim faults` lists kinds and steps"
)]
pub struct NoFault {
    text: String,
    problem: String,
}

/// The words of an enum's variant, as serde says them: a word, or a word with one argument.
fn words(value: &impl Serialize) -> String {
    let argument = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(Value::Object(map)) => {
            map.iter().next().map_or_else(String::new, |(word, value)| format!("{word}:{}", argument(value)))
        }
        _ => String::new(),
    }
}

fn of_words<T: DeserializeOwned>(text: &str) -> Option<T> {
    let value = match text.split_once(':') {
        None => json!(text),
        Some((word, argument)) => match argument.parse::<u32>() {
            Ok(number) => json!({ word: number }),
            Err(_) => json!({ word: argument }),
        },
    };
    serde_json::from_value(value).ok()
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&words(self))
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_words(text).ok_or_else(|| format!("there is no kind {text:?}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => f.pad(&format!("{phase:?}")),
            Self::Write(count) => f.pad(&format!("{WRITE}{count}")),
            Self::Act(count) => f.pad(&format!("{ACT}{count}")),
            step => f.pad(&words(step)),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let counted = |prefix, step: fn(u32) -> Self| text.strip_prefix(prefix)?.parse().ok().map(step);
        counted(WRITE, Self::Write)
            .or_else(|| counted(ACT, Self::Act))
            .or_else(|| Self::all().into_iter().find(|step| step.to_string() == text))
            .ok_or_else(|| format!("there is no step {text:?}"))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if self.after_ms > 0 {
            write!(f, "+{}ms", self.after_ms)?;
        }
        match (self.workload, self.round) {
            (0, 0) => {}
            (workload, 0) => write!(f, "#{workload}")?,
            (workload, round) => write!(f, "#{workload}.{round}")?,
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.kind, self.at)?;
        if self.lasts_ms != self.kind.usual_ms() {
            write!(f, "~{}ms", self.lasts_ms)?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        parse(text).map_err(|problem| NoFault { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    let (kind, rest) = text.split_once('@').ok_or("it says no step")?;
    let kind: FaultKind = kind.parse()?;
    let (rest, lasts) = split(rest, '~');
    let (rest, workload) = split(rest, '#');
    let (step, after) = split(rest, '+');
    let (workload, round) = workload.map_or(Ok((0, 0)), migration)?;
    let lasts_ms = lasts.map_or(Ok(kind.usual_ms()), milliseconds)?;
    let after_ms = after.map_or(Ok(0), milliseconds)?;
    Ok(Fault { at: Moment { workload, round, step: step.parse()?, after_ms }, kind, lasts_ms })
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// `1`, or `1.2` for the third migration of the second workload.
fn migration(text: &str) -> Result<(usize, u32), String> {
    let (workload, round) = split(text, '.');
    let workload = workload.parse().map_err(|_| format!("there is no workload {workload:?}"))?;
    let round =
        round.map_or(Ok(0), |round| round.parse().map_err(|_| format!("there is no round {round:?}")))?;
    Ok((workload, round))
}

/// `200ms` or `5s`.
fn milliseconds(text: &str) -> Result<u64, String> {
    let number = |digits: &str, factor: u64| digits.parse::<u64>().ok()?.checked_mul(factor);
    let parsed = match text.strip_suffix("ms") {
        Some(digits) => number(digits, 1),
        None => text.strip_suffix('s').and_then(|digits| number(digits, 1_000)),
    };
    parsed.ok_or_else(|| format!("{text:?} is no duration such as 200ms or 5s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Link;

    #[test]
    fn every_kind_and_every_step_can_be_named() {
        for kind in FaultKind::all() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            for step in [Step::Write(7), Step::Act(7)] {
                let usual = Fault::new(kind, step);
                for fault in [Fault { lasts_ms: 0, ..usual.clone() }, usual] {
                    assert_eq!(fault.to_string().parse(), Ok(fault));
                }
            }
        }
        for step in Step::all() {
            assert_eq!(step.to_string().parse(), Ok(step));
        }
    }

    #[test]
    fn everything_can_be_said_of_a_fault() {
        let fault = Fault {
            at: Moment { workload: 2, round: 1, step: Step::Bound, after_ms: 200 },
            kind: FaultKind::Partition(Link::OperatorBroker),
            lasts_ms: 12_000,
        };
        assert_eq!(fault.to_string(), "partition:operator-broker@bound+200ms#2.1~12000ms");
        assert_eq!("partition:operator-broker@bound+200ms#2.1~12s".parse(), Ok(fault));
        let drop = Fault::new(FaultKind::DropOperator, Step::Act(12));
        assert_eq!("drop-operator@act-12".parse(), Ok(drop.clone()));
        assert_eq!(serde_json::to_value(&drop).unwrap()["at"]["step"], json!({ "act": 12 }));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_is_wrong() {
        for (text, piece) in [
            ("kill-source", "says no step"),
            ("kill-everything@Pending", "no kind \"kill-everything\""),
            ("hold:moon@Pending", "no kind \"hold:moon\""),
            ("kill-source@Someday", "no step \"Someday\""),
            ("kill-source@act-x", "no step \"act-x\""),
            ("kill-source@Pending+5", "no duration"),
            ("kill-source@Pending#x", "no workload"),
            ("kill-source@Pending#0.x", "no round"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(piece) && error.contains("cargo sim faults"), "{error}");
        }
    }
}
