use std::{fmt, str::FromStr};

use ms2m::api::Phase;

/// Something that is broken on purpose, once, in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator is killed when the migration enters the phase, and started again.
    KillOperator(Phase),
    /// The source's process is killed in the phase; its pod restarts it, fresh.
    KillSource(Phase),
    /// The target's process is killed in the phase, before the point of no return.
    KillTarget(Phase),
    /// The target's process is killed right after the point of no return; it comes back with the old checkpoint.
    KillTargetAfterPointOfNoReturn,
    /// The broker restarts in the phase: connections drop, what is durable stays.
    RestartBroker(Phase),
    /// The first so many checkpoints fail.
    FailCheckpoints(u32),
    /// The target's runtime silently starts the base image instead of restoring.
    RestoreFresh,
    /// Messages arrive faster than the application works.
    Overload,
}

const RUNNING: [Phase; 7] = [
    Phase::Pending,
    Phase::Mirroring,
    Phase::Checkpointing,
    Phase::Transferring,
    Phase::Restoring,
    Phase::Replaying,
    Phase::SwitchingOver,
];

impl Fault {
    /// Every fault, at every phase where it makes sense.
    pub fn all() -> Vec<Self> {
        let target = [Phase::Restoring, Phase::Replaying, Phase::SwitchingOver];
        let mut all: Vec<Self> = RUNNING.iter().copied().map(Self::KillOperator).collect();
        all.extend(RUNNING.iter().copied().map(Self::KillSource));
        all.extend(target.map(Self::KillTarget));
        all.push(Self::KillTargetAfterPointOfNoReturn);
        all.extend(RUNNING.iter().copied().map(Self::RestartBroker));
        all.extend([Self::FailCheckpoints(1), Self::FailCheckpoints(9), Self::RestoreFresh, Self::Overload]);
        all
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillOperator(phase) => write!(f, "kill-operator@{phase:?}"),
            Self::KillSource(phase) => write!(f, "kill-source@{phase:?}"),
            Self::KillTarget(phase) => write!(f, "kill-target@{phase:?}"),
            Self::KillTargetAfterPointOfNoReturn => f.write_str("kill-target@point-of-no-return"),
            Self::RestartBroker(phase) => write!(f, "restart-broker@{phase:?}"),
            Self::FailCheckpoints(times) => write!(f, "fail-checkpoints@{times}"),
            Self::RestoreFresh => f.write_str("restore-fresh"),
            Self::Overload => f.write_str("overload"),
        }
    }
}

/// Why a text is no fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault; there are: {list}", list = list())]
pub struct UnknownFault(String);

fn list() -> String {
    Fault::all().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let known = Self::all().into_iter().find(|fault| fault.to_string().eq_ignore_ascii_case(text));
        known.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_be_named() {
        for fault in Fault::all() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!(
            "kill-everything".parse::<Fault>().unwrap_err().to_string().contains("kill-operator@Replaying")
        );
    }
}
