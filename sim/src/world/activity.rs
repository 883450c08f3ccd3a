use std::fmt;

use ms2m::kubernetes::client::USER_AGENT;

use super::Cluster;

/// How much the operator has asked of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    /// Requests to the API server, refused ones included. What stays open in between, its watches, is not counted, and
    /// neither that one which has come to its end is opened again.
    requests: u64,
    /// Methods called at the broker, acks included and heartbeats not.
    calls: u64,
    /// Requests to the broker's management API.
    management: u64,
}

impl Activity {
    /// So far.
    pub(super) fn of_the_operator(cluster: &Cluster) -> Self {
        Self {
            requests: cluster.api.requests_of(USER_AGENT),
            calls: cluster.broker.calls(),
            management: cluster.broker.management_requests(),
        }
    }

    /// What came after `before`.
    pub(super) fn since(self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            calls: self.calls.saturating_sub(before.calls),
            management: self.management.saturating_sub(before.management),
        }
    }

    pub(super) fn is_any(self) -> bool {
        self.requests + self.calls + self.management > 0
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, calls, management } = self;
        write!(
            f,
            "{requests} requests to the API server, {calls} calls of the broker, {management} of its management API"
        )
    }
}
