//! What becomes of processes, and of the machines they run on: lost, killed, held still, and one operator more.

use turmoil::Sim;

use super::{Undo, misdirected};
use crate::{
    network,
    plan::{Fault, FaultKind, Link},
    world::{SkewedClock, drive::Drive, freezer::Freezer, names::node, operator, registry_host},
};

impl Drive {
    pub(super) fn strike_processes(&mut self, sim: &mut Sim<'_>, fault: &Fault) -> Option<Undo> {
        let party = &self.parties[fault.at.workload];
        let (source, target) =
            (party.names.source_node(&party.workload), party.names.target_node(&party.workload));
        let host = match fault.kind {
            FaultKind::FreezeOperator | FaultKind::FreezeSource | FaultKind::FreezeTarget => {
                return self.freeze(sim, fault);
            }
            FaultKind::AnotherOperator => return Some(Undo::EndHost(self.begin_operator(sim))),
            FaultKind::CrashOperator | FaultKind::ReplaceOperator => "operator".to_owned(),
            FaultKind::CrashApiServer => "apiserver".to_owned(),
            FaultKind::CrashBroker => "rabbitmq".to_owned(),
            FaultKind::CrashTraffic => party.names.traffic(),
            FaultKind::CrashRegistry => registry_host::HOST.to_owned(),
            FaultKind::CrashSourceKubelet => source,
            FaultKind::CrashTargetKubelet => target,
            FaultKind::LoseSourceNode => self.lose(sim, source),
            FaultKind::LoseTargetNode => self.lose(sim, target),
            FaultKind::LoseThirdNode => {
                let mut nodes = (0..self.plan.scenario.nodes).map(node);
                let third = nodes.find(|node| *node != source && *node != target)?;
                self.lose(sim, third)
            }
            FaultKind::KillSource => return self.kill(sim, party.source(&self.cluster)),
            FaultKind::KillTarget => return self.kill(sim, party.target(&self.cluster)),
            other => misdirected(other),
        };
        let count = self.strikes.down.entry(host.clone()).or_default();
        *count += 1;
        if *count == 1 {
            network::crash(sim, host.as_str());
        }
        if fault.kind == FaultKind::ReplaceOperator {
            return Some(Undo::Replace { ends: self.begin_operator(sim), starts: host });
        }
        Some(Undo::StartHost(host))
    }

    /// A process that stands still reads and writes nothing: its links are held, too.
    fn freeze(&self, sim: &mut Sim<'_>, fault: &Fault) -> Option<Undo> {
        let party = &self.parties[fault.at.workload];
        let (freezer, links) = match fault.kind {
            FaultKind::FreezeOperator => {
                (self.cluster.operator.clone(), vec![Link::OperatorApi, Link::OperatorBroker])
            }
            FaultKind::FreezeSource => {
                (self.freezer(&party.source(&self.cluster)?)?, vec![Link::SourceBroker])
            }
            FaultKind::FreezeTarget => {
                (self.freezer(&party.target(&self.cluster)?)?, vec![Link::TargetBroker])
            }
            other => misdirected(other),
        };
        let held: Vec<(String, String)> =
            links.into_iter().filter_map(|link| self.ends(fault, link)).collect();
        for (a, b) in &held {
            sim.hold(a.as_str(), b.as_str());
        }
        freezer.freeze();
        Some(Undo::Thaw { freezer, held })
    }

    /// What holds a container's process still, which is about to.
    fn freezer(&self, container: &str) -> Option<Freezer> {
        let mut state = self.cluster.machines.lock();
        state.containers.get_mut(container)?.stood_still = true;
        state.freezers.get(container).cloned()
    }

    /// One more, on a host of its own.
    fn begin_operator(&mut self, sim: &mut Sim<'_>) -> String {
        self.strikes.operators += 1;
        let host = format!("operator-{}", self.strikes.operators);
        let (freezer, clock) = (Freezer::default(), SkewedClock::default());
        operator::host(sim, &host, freezer, clock, &self.plan.scenario);
        host
    }

    fn lose(&mut self, sim: &mut Sim<'_>, node: String) -> String {
        for container in self.cluster.machines.running_on(&node) {
            let _ = self.kill(sim, Some(container));
        }
        node
    }

    fn kill(&mut self, sim: &mut Sim<'_>, container_id: Option<String>) -> Option<Undo> {
        let container_id = container_id?;
        {
            let state = self.cluster.machines.lock();
            let container = state.containers.get(&container_id)?;
            for party in &mut self.parties {
                party.oracle.expects_death_of(&container_id, container);
            }
        }
        self.cluster.machines.kill(sim, &container_id, 137);
        Some(Undo::Nothing)
    }

    /// Starts it again when nothing else holds it down.
    pub(super) fn start_host(&mut self, sim: &mut Sim<'_>, host: &str) {
        let count = self.strikes.down.entry(host.to_owned()).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            network::bounce(sim, host);
        }
    }
}
