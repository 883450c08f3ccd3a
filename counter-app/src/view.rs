use ms2m_app::{
    Ledger,
    contract::MissingMessages,
    engine::{Ram, Role, Stats},
};
use serde::{Deserialize, Serialize};

use crate::CounterState;

/// What `GET /state` answers: one instant of a process's RAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateView {
    /// What the process is to the queue.
    pub role: Role,
    /// Whether the broker has granted it the queue.
    pub consumes: bool,
    /// UID of the pod that it is in, as of its last connect.
    pub pod_uid: String,
    /// The largest epoch that it has seen.
    pub epoch: u64,
    /// What it counted.
    pub stats: Stats,
    /// Which messages the state contains, as the protocol knows it.
    pub ledger: Ledger,
    /// What the ledger counts as contained, although the state went on without it: nobody had it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<MissingMessages>,
    /// The service's own state.
    pub state: CounterState,
}

/// Shows `ram`.
pub fn view(ram: &Ram<CounterState>) -> StateView {
    StateView {
        role: ram.role(),
        consumes: ram.consumes_primary(),
        pod_uid: ram.pod_uid().to_owned(),
        epoch: ram.epoch(),
        stats: ram.stats(),
        ledger: ram.ledger().clone(),
        passed_over: ram.passed_over().to_vec(),
        state: ram.state().clone(),
    }
}
