//! What shows that a fault has met something: most of what breaks matters only to who comes by, and nobody may.

use crate::world::{Cluster, machines::Ailment};

/// What is to be there for a fault to count as struck.
pub(super) enum Evidence {
    /// What it is about was there in the moment in which it struck, or was not.
    AtOnce(bool),
    /// One of these was applied to a request.
    Requests(Vec<u64>),
    /// It has happened more often than so.
    More { than: u64, of: Encounter },
}

/// What happens only to who meets a fault, and is counted.
#[derive(Clone, Copy)]
pub(super) enum Encounter {
    /// A node or the registry did otherwise by it.
    Ailment(Ailment),
    /// A checkpoint failed that was to fail by itself.
    FailedCheckpoint,
    /// A stalled watch held something back.
    HeldBack,
    /// A server that is behind was asked.
    Behind,
    /// Somebody was told 410 Gone.
    Gone,
    /// The operator read its clock when it was wrong.
    WrongTime,
}

impl Evidence {
    /// That it happens from now on.
    pub(super) fn from_now_on(of: Encounter, cluster: &Cluster) -> Self {
        Self::More { than: of.so_far(cluster), of }
    }

    pub(super) fn is_there(&self, cluster: &Cluster) -> bool {
        match self {
            Self::AtOnce(is_there) => *is_there,
            Self::Requests(faults) => faults.iter().any(|fault| cluster.api.has_hit(*fault)),
            Self::More { than, of } => of.so_far(cluster) > *than,
        }
    }

    /// Whether it is met only after the instant at which it struck, however late.
    pub(super) fn may_come_late(&self) -> bool {
        matches!(self, Self::More { of: Encounter::FailedCheckpoint | Encounter::Gone, .. })
    }
}

impl Encounter {
    fn so_far(self, cluster: &Cluster) -> u64 {
        match self {
            Self::Ailment(ailment) => cluster.machines.lock().times_met(ailment),
            Self::FailedCheckpoint => cluster.machines.lock().checkpoints_failed,
            Self::HeldBack => cluster.api.encounters().held_back,
            Self::Behind => cluster.api.encounters().behind,
            Self::Gone => cluster.api.encounters().gone,
            Self::WrongTime => cluster.clock.times_read_wrong(),
        }
    }
}
