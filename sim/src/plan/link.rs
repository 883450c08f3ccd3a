use serde::{Deserialize, Serialize};

/// Two parties that speak with each other over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The operator and the API server.
    OperatorApi,
    /// The operator and the broker.
    OperatorBroker,
    /// The source's process and the broker: it lives on, and nobody hears it.
    SourceBroker,
    /// The target's process and the broker.
    TargetBroker,
    /// The publishers and the broker.
    TrafficBroker,
    /// The kubelet of the source's node and the API server.
    SourceNodeApi,
    /// The kubelet of the target's node and the API server.
    TargetNodeApi,
    /// The target's node and the registry, from which it pulls the checkpoint.
    TargetNodeRegistry,
}

impl Link {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OperatorApi,
        Self::OperatorBroker,
        Self::SourceBroker,
        Self::TargetBroker,
        Self::TrafficBroker,
        Self::SourceNodeApi,
        Self::TargetNodeApi,
        Self::TargetNodeRegistry,
    ];

    /// Whether it is one of a process that is moved: its source's, or its target's.
    pub const fn is_of_the_workload(self) -> bool {
        matches!(self, Self::SourceBroker | Self::TargetBroker)
    }
}
