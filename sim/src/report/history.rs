use serde::Serialize;

/// What became of each party, for a drawing: who took part, what ran where, what was broken, what was written.
///
/// A party is named as a person names it: `operator`, `API server`, `broker`, `registry`, or a node, pod, queue or
/// publisher by its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The nodes of the cluster.
    pub nodes: Vec<String>,
    /// Who takes part in each migration, in the order of the scenario.
    pub casts: Vec<Cast>,
    /// Every process of a pod, in the order in which they started.
    pub processes: Vec<Process>,
    /// Pods, as objects of the API server.
    pub pods: Vec<PodLife>,
    /// The faults that struck, in that order.
    pub strikes: Vec<Strike>,
    /// What the operator wrote to the API server.
    pub writes: Vec<ApiWrite>,
}

/// Who takes part in a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cast {
    /// The migration's name.
    pub migration: String,
    /// The source pod.
    pub source: String,
    /// The shadow pod.
    pub target: String,
    /// The primary queue.
    pub queue: String,
    /// Who publishes to it.
    pub publishers: String,
}

/// A process, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its pod.
    pub pod: String,
    /// Where it ran.
    pub node: String,
    /// Its container's id.
    pub id: String,
    /// Since the run began.
    pub from_ms: u64,
    /// None while it runs.
    pub until_ms: Option<u64>,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// Whether its RAM came from a checkpoint.
    pub restored: bool,
}

/// A pod, from its creation to its removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PodLife {
    /// Its name.
    pub pod: String,
    /// Since the run began.
    pub from_ms: u64,
    /// None while it is there.
    pub until_ms: Option<u64>,
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Strike {
    /// As a person writes it.
    pub text: String,
    /// What kind it is.
    pub kind: String,
    /// Index of the migration whose step it waited for.
    pub migration: usize,
    /// Since the run began.
    pub from_ms: u64,
    /// None while it lasts; the same as the beginning for what happens at an instant.
    pub until_ms: Option<u64>,
    /// Whom it concerns directly.
    pub parties: Vec<String>,
}

/// A write of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiWrite {
    /// When it was answered, since the run began.
    pub at_ms: u64,
    /// Verb and object, such as `patch statefulmigrations/move/status`.
    pub text: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// Whether anything is different after it.
    pub changed: bool,
}
