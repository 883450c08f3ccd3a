use super::{Observation, PodFacts, PodView};
use crate::api::SourceStatus;

/// What has become of the process that holds the source's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Alive,
    /// Its pod is there, but the process is another one, or none: the RAM is gone.
    RamLost,
    /// The pod is gone, or over.
    PodGone,
    /// The API server did not tell.
    Unknown,
}

impl Life {
    /// Of the source that `recorded` describes.
    pub(super) fn of(recorded: &SourceStatus, seen: &Observation) -> Self {
        match &seen.source {
            None => Self::Unknown,
            Some(PodView::Absent) => Self::PodGone,
            Some(PodView::Present(pod)) => Self::of_pod(recorded, pod),
        }
    }

    fn of_pod(recorded: &SourceStatus, pod: &PodFacts) -> Self {
        if pod.uid != recorded.uid || pod.ended {
            Self::PodGone
        } else if pod.running && pod.container_id == recorded.container_id {
            Self::Alive
        } else {
            Self::RamLost
        }
    }

    /// Whether the RAM is known to be gone.
    pub(super) fn is_lost(self) -> bool {
        matches!(self, Self::RamLost | Self::PodGone)
    }
}
