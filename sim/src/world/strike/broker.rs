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
    /// Nothing where what it is about is not there.
    pub(super) fn strike_broker(&mut self, fault: &Fault) -> Option<Undo> {
        let party = &self.parties[fault.at.workload];
        let broker = &self.cluster.broker;
        let undo = match fault.kind {
            FaultKind::WithholdConfirms => {
                broker.withhold_confirms(true);
                Undo::Confirm
            }
            FaultKind::BrokerMemoryAlarm => {
                broker.raise_memory_alarm();
                Undo::FreeMemory
            }
            FaultKind::LateBindings => {
                broker.delay_bindings(Some(LATE));
                Undo::BindInTime
            }
            _ => return self.strikes_at_the_broker(party, fault.kind).then_some(Undo::Nothing),
        };
        Some(undo)
    }

    /// What happens at an instant; false where nothing does.
    fn strikes_at_the_broker(&self, party: &Party, kind: FaultKind) -> bool {
        let broker = &self.cluster.broker;
        match kind {
            FaultKind::DropOperator | FaultKind::DropSource | FaultKind::DropTarget => {
                self.connection(party, kind).is_some_and(|name| broker.drop_connections(&name) > 0)
            }
            FaultKind::CloseOperatorChannels
            | FaultKind::CloseSourceChannels
            | FaultKind::CloseTargetChannels => {
                self.connection(party, kind).is_some_and(|name| broker.close_channels(&name) > 0)
            }
            FaultKind::DeleteReplayQueue => {
                let replay = format!("{}.ms2m.", party.names.queue());
                let mut queues = broker.queues();
                queues.retain(|queue| queue.name.starts_with(&replay));
                queues.iter().filter(|queue| broker.delete_queue(&queue.name)).count() > 0
            }
            FaultKind::DeleteSourceControl => {
                // A pod's queue outlives it.
                let known = party.status.source.as_ref().map(|source| source.uid.clone());
                let uid = known.or_else(|| self.source_uid(party));
                uid.is_some_and(|uid| broker.delete_queue(&control_queue(&uid)))
            }
            FaultKind::DeleteTargetControl => {
                self.target_uid(party).is_some_and(|uid| broker.delete_queue(&control_queue(&uid)))
            }
            FaultKind::TalkNonsense => {
                let (queue, draw) = (party.names.queue(), self.plan.scenario.seed);
                let letters = nonsense::letters(&party.uid, &queue, &party.status, draw);
                letters
                    .into_iter()
                    .filter(|letter| broker.post(&replies_queue(&party.uid), letter.clone()))
                    .count()
                    > 0
            }
            FaultKind::RepeatControl => broker.repeat_control() > 0,
            other => misdirected(other),
        }
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
