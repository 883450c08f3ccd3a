//! What breaks on links.
//!
//! A link has one state, whatever breaks it: who makes it whole lets what is still in force on it break it again.

use std::time::Duration;

use turmoil::Sim;

use super::{Undo, misdirected};
use crate::{
    network,
    plan::{Fault, FaultKind, Link},
    world::{drive::Drive, registry_host},
};

/// How late a segment is on a link that is slow.
const SLOW: Duration = Duration::from_millis(150);

impl Drive {
    pub(super) fn strike_link(&self, sim: &Sim<'_>, fault: &Fault, link: Link) -> Option<Undo> {
        let (a, b) = self.ends(fault, link)?;
        break_link(sim, fault.kind, &a, &b);
        Some(match fault.kind {
            FaultKind::Hold(_) => Undo::Release(a, b),
            FaultKind::Slow(_) => Undo::Hasten(a, b),
            _ => Undo::Repair(a, b),
        })
    }

    /// The hosts at the ends of a link; none where one of them is not there.
    pub(super) fn ends(&self, fault: &Fault, link: Link) -> Option<(String, String)> {
        let party = &self.parties[fault.at.workload];
        let host = |container: Option<String>| {
            let state = self.cluster.machines.lock();
            container.and_then(|id| state.containers.get(&id).map(|container| container.host.clone()))
        };
        let (api, broker, operator) = ("apiserver".to_owned(), "rabbitmq".to_owned(), "operator".to_owned());
        Some(match link {
            Link::OperatorApi => (operator, api),
            Link::OperatorBroker => (operator, broker),
            Link::SourceBroker => (host(party.source(&self.cluster))?, broker),
            Link::TargetBroker => (host(party.target(&self.cluster))?, broker),
            Link::TrafficBroker => (party.names.traffic(), broker),
            Link::SourceNodeApi => (party.names.source_node(&party.workload), api),
            Link::TargetNodeApi => (party.names.target_node(&party.workload), api),
            Link::TargetNodeRegistry => {
                (party.names.target_node(&party.workload), registry_host::HOST.to_owned())
            }
        })
    }

    /// Delivers what was held.
    pub(super) fn release(&self, sim: &Sim<'_>, a: &str, b: &str) {
        sim.release(a, b);
        self.break_again(sim, a, b);
    }

    /// Delivers what is sent from now on.
    pub(super) fn repair(&self, sim: &Sim<'_>, a: &str, b: &str) {
        sim.repair(a, b);
        self.break_again(sim, a, b);
    }

    /// Delivers as soon as ever what is sent from now on.
    pub(super) fn hasten(&self, sim: &Sim<'_>, a: &str, b: &str) {
        sim.set_link_latency(a, b, network::LATENCY_MIN);
        let most = Duration::from_micros(self.plan.scenario.latency_us_max);
        sim.set_link_max_message_latency(a, b, most);
        self.break_again(sim, a, b);
    }

    /// In the order in which it was broken; what was held is held again before any of it is delivered.
    fn break_again(&self, sim: &Sim<'_>, a: &str, b: &str) {
        for strike in &self.strikes.in_force {
            match &strike.undo {
                Undo::Release(from, to) | Undo::Repair(from, to) | Undo::Hasten(from, to)
                    if from == a && to == b =>
                {
                    break_link(sim, strike.fault.kind, a, b);
                }
                Undo::Thaw { held, .. } if held.iter().any(|(from, to)| from == a && to == b) => {
                    sim.hold(a, b);
                }
                _ => {}
            }
        }
    }
}

fn break_link(sim: &Sim<'_>, kind: FaultKind, a: &str, b: &str) {
    match kind {
        FaultKind::Hold(_) => sim.hold(a, b),
        FaultKind::Partition(_) => sim.partition(a, b),
        FaultKind::PartitionTo(_) => sim.partition_oneway(a, b),
        FaultKind::PartitionFrom(_) => sim.partition_oneway(b, a),
        FaultKind::Slow(_) => sim.set_link_latency(a, b, SLOW),
        other => misdirected(other),
    }
}
