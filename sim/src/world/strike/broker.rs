//! What breaks at the broker.

use std::time::Duration;

use ms2m_app::contract::{control_queue, replies_queue};

use super::{Undo, misdirected};
use crate::{
    plan::{Fault, FaultKind},
    world::{drive::Drive, nonsense, objects, party::Party},
};

/// The name of the operator's connection.
const OPERATOR: &str = "ms2m-operator";
/// How long after it is confirmed a binding is in force: about as long as `settle` expects.
const LATE: Duration = Duration::from_millis(800);

impl Drive {
    pub(super) fn strike_broker(&mut self, fault: &Fault) -> Undo {
        let party = &self.parties[fault.at.workload];
        let broker = &self.cluster.broker;
        match fault.kind {
            FaultKind::DropOperator | FaultKind::DropSource | FaultKind::DropTarget => {
                if let Some(name) = self.connection(party, fault.kind) {
                    broker.drop_connections(&name);
                }
            }
            FaultKind::CloseOperatorChannels
            | FaultKind::CloseSourceChannels
            | FaultKind::CloseTargetChannels => {
                if let Some(name) = self.connection(party, fault.kind) {
                    broker.close_channels(&name);
                }
            }
            FaultKind::WithholdConfirms => {
                broker.withhold_confirms(true);
                return Undo::Confirm;
            }
            FaultKind::BrokerMemoryAlarm => {
                broker.raise_memory_alarm();
                return Undo::FreeMemory;
            }
            FaultKind::LateBindings => {
                broker.delay_bindings(Some(LATE));
                return Undo::BindInTime;
            }
            FaultKind::DeleteReplayQueue => {
                let replay = format!("{}.ms2m.", party.names.queue());
                for queue in broker.queues().iter().filter(|queue| queue.name.starts_with(&replay)) {
                    broker.delete_queue(&queue.name);
                }
            }
            FaultKind::DeleteSourceControl => {
                // A pod's queue outlives it.
                let known = party.status.source.as_ref().map(|source| source.uid.clone());
                if let Some(uid) = known.or_else(|| self.source_uid(party)) {
                    broker.delete_queue(&control_queue(&uid));
                }
            }
            FaultKind::DeleteTargetControl => {
                if let Some(uid) = self.target_uid(party) {
                    broker.delete_queue(&control_queue(&uid));
                }
            }
            FaultKind::TalkNonsense => {
                for letter in nonsense::letters(&party.uid, &party.status) {
                    broker.post(&replies_queue(&party.uid), letter);
                }
            }
            FaultKind::RepeatControl => drop(broker.repeat_control()),
            other => misdirected(other),
        }
        Undo::Nothing
    }

    /// The name of the connection that a fault is about; none where its pod is not there.
    fn connection(&self, party: &Party, kind: FaultKind) -> Option<String> {
        match kind {
            FaultKind::DropSource | FaultKind::CloseSourceChannels => self.source_uid(party),
            FaultKind::DropTarget | FaultKind::CloseTargetChannels => self.target_uid(party),
            _ => Some(OPERATOR.to_owned()),
        }
    }

    fn source_uid(&self, party: &Party) -> Option<String> {
        self.uid_of(&self.cluster.source_pod(party.names))
    }

    fn target_uid(&self, party: &Party) -> Option<String> {
        self.uid_of(&party.names.shadow())
    }

    /// The UID of a pod that is there, by which its connection and its control queue are named.
    fn uid_of(&self, pod: &str) -> Option<String> {
        let pod = self.cluster.api.get("", "pods", objects::NAMESPACE, pod)?;
        pod["metadata"]["uid"].as_str().map(str::to_owned)
    }
}
