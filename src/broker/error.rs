use std::time::Duration;

use ms2m_app::OverlongName;

/// Why a broker did not do what it was asked; each variant is something else to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection: wait, and try again.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time: try again.
    #[error("the broker did not answer within {within:?}: {call}")]
    Timeout {
        /// What was asked.
        call: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The credentials or the permissions are not enough: give the operator's user others.
    #[error(
        "the broker refuses the operator: {0}; it needs configure, write and read on the queues of migrations"
    )]
    Refused(String),
    /// No queue takes the message: the pod that it is for has none.
    #[error("no queue {0}: nothing consumes there")]
    Unroutable(String),
    /// The broker has something else of that name, or forbids it: delete it, or allow it.
    #[error("the broker cannot do it: {0}")]
    Precondition(String),
    /// The management API says something unexpected.
    #[error("the management API at {url}: {problem}")]
    Management {
        /// Where it was asked.
        url: String,
        /// What it said.
        problem: String,
    },
    /// A message cannot be written.
    #[error("a message cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl From<OverlongName> for BrokerError {
    fn from(error: OverlongName) -> Self {
        Self::Precondition(error.to_string())
    }
}

impl BrokerError {
    /// Whether it may succeed when it is repeated.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } | Self::Unroutable(_) | Self::Management { .. } => {
                true
            }
            Self::Refused(_) | Self::Precondition(_) | Self::Unwritable(_) => false,
        }
    }
}
