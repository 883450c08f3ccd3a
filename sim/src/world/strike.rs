//! Breaks what a plan says, when its moment has come, and makes it whole again.
//!
//! A kind is listed twice: where it is sent to what it breaks, and there. What arrives where nothing is done for it ends the run.

mod broker;

use std::{collections::BTreeMap, time::Duration};

use ms2m::{api::FIELD_MANAGER, kubernetes::client::USER_AGENT};
use turmoil::Sim;

use super::{Cluster, drive::Drive, machines::Ailment, objects, oracle::Oracle};
use crate::{
    amqp::BindingView,
    apiserver::{Fault as ApiFault, FaultEffect, RequestMatch},
    network,
    plan::{Fault, FaultKind, Link},
    report::Lane,
};

/// How late a segment is on a link that is slow.
const SLOW: Duration = Duration::from_millis(150);
/// What it is on one that is not any more.
const USUAL: Duration = Duration::from_millis(1);
/// How far a clock jumps.
const JUMP_MS: i64 = 60_000;
/// How much longer a request takes at an API server that is slow.
const DELAY_MS: u32 = 1_000;

/// The faults of a plan: those that wait for their step, those that wait for their time, those in force.
pub(super) struct Strikes {
    waiting: Vec<Fault>,
    due: Vec<(Duration, Fault)>,
    in_force: Vec<Strike>,
    /// How many crashes hold a host down.
    down: BTreeMap<String, u32>,
    last: Duration,
    /// What has struck, for the report.
    pub(super) history: Vec<Struck>,
}

/// A fault that struck, and until when it was in force.
pub(super) struct Struck {
    pub(super) fault: Fault,
    pub(super) at: Duration,
    pub(super) until: Option<Duration>,
}

struct Strike {
    /// Index in the history.
    index: usize,
    ends_at: Duration,
    fault: Fault,
    undo: Undo,
}

enum Undo {
    Nothing,
    StartHost(String),
    Release(String, String),
    Repair(String, String),
    Hasten(String, String),
    Withdraw(u64),
    ReleaseWatches,
    CatchUp,
    Confirm,
    FreeMemory,
    BindInTime,
    Cure(Ailment),
    SetClock,
}

impl Strikes {
    pub(super) fn new(faults: &[Fault]) -> Self {
        Self {
            waiting: faults.to_vec(),
            due: Vec::new(),
            in_force: Vec::new(),
            down: BTreeMap::new(),
            last: Duration::ZERO,
            history: Vec::new(),
        }
    }

    /// Whether nothing is broken at present, nor about to be.
    pub(super) fn are_over(&self) -> bool {
        self.in_force.is_empty() && self.due.is_empty()
    }

    /// How many faults have struck.
    pub(super) fn struck(&self) -> usize {
        self.history.len()
    }

    /// When something last broke or was made whole.
    pub(super) fn last(&self) -> Duration {
        self.last
    }
}

impl Drive {
    pub(super) fn strike_what_is_due(&mut self, sim: &mut Sim<'_>) {
        let (now, writes) = (sim.elapsed(), self.cluster.api.writes_of(FIELD_MANAGER));
        let waiting = std::mem::take(&mut self.strikes.waiting);
        for fault in waiting {
            let party = &self.parties[fault.at.workload];
            let meant = party.asked.filter(|_| party.names.round == fault.at.round);
            let passed = meant.is_some_and(|(_, before)| {
                fault.at.step.is_passed(&party.status, writes.saturating_sub(before))
            });
            if passed {
                self.strikes.due.push((now + Duration::from_millis(fault.at.after_ms), fault));
            } else {
                self.strikes.waiting.push(fault);
            }
        }
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.strikes.due).into_iter().partition(|(at, _)| *at <= now);
        self.strikes.due = later;
        for (_, fault) in due {
            self.strike(sim, fault);
        }
    }

    pub(super) fn end_strikes(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let (over, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.strikes.in_force).into_iter().partition(|strike| strike.ends_at <= now);
        self.strikes.in_force = still;
        for Strike { index, fault, undo, .. } in over {
            self.strikes.history[index].until = Some(now);
            if fault.kind.lasts() {
                self.note(sim, Lane::Fault, format_args!("{} ends", fault.kind));
            }
            self.undo(sim, undo);
            self.strikes.last = now;
        }
    }

    fn strike(&mut self, sim: &mut Sim<'_>, fault: Fault) {
        self.note(sim, Lane::Fault, &fault);
        let index = self.strikes.history.len();
        let struck = Struck { fault: fault.clone(), at: sim.elapsed(), until: None };
        self.strikes.history.push(struck);
        self.reach_paths_of(fault.kind);
        let undo = match fault.kind {
            FaultKind::Hold(link)
            | FaultKind::Partition(link)
            | FaultKind::PartitionTo(link)
            | FaultKind::PartitionFrom(link)
            | FaultKind::Slow(link) => self.strike_link(sim, &fault, link),
            FaultKind::CrashOperator
            | FaultKind::CrashApiServer
            | FaultKind::CrashBroker
            | FaultKind::CrashTraffic
            | FaultKind::CrashSourceKubelet
            | FaultKind::CrashTargetKubelet
            | FaultKind::LoseSourceNode
            | FaultKind::LoseTargetNode
            | FaultKind::KillSource
            | FaultKind::KillTarget => self.strike_processes(sim, &fault),
            FaultKind::DeleteSource
            | FaultKind::DeleteTarget
            | FaultKind::ForceDeleteSource
            | FaultKind::ForceDeleteTarget
            | FaultKind::Cancel
            | FaultKind::ChangeBindings => self.act(&fault),
            FaultKind::ApiConflicts
            | FaultKind::ApiTooMany
            | FaultKind::ApiErrors
            | FaultKind::LoseAcknowledgement
            | FaultKind::LoseWrite
            | FaultKind::DelayApi
            | FaultKind::StallWatches
            | FaultKind::CloseWatches
            | FaultKind::CompactHistory
            | FaultKind::LaggingApi
            | FaultKind::StaleWatch => self.strike_api(fault.kind),
            FaultKind::DropOperator
            | FaultKind::DropSource
            | FaultKind::DropTarget
            | FaultKind::CloseOperatorChannels
            | FaultKind::CloseSourceChannels
            | FaultKind::CloseTargetChannels
            | FaultKind::WithholdConfirms
            | FaultKind::BrokerMemoryAlarm
            | FaultKind::RepeatControl
            | FaultKind::TalkNonsense
            | FaultKind::LateBindings
            | FaultKind::DeleteReplayQueue
            | FaultKind::DeleteSourceControl
            | FaultKind::DeleteTargetControl => self.strike_broker(&fault),
            FaultKind::FailCheckpoint
            | FaultKind::FailCheckpoints
            | FaultKind::SlowCheckpoints
            | FaultKind::DiskFull
            | FaultKind::RegistryDown
            | FaultKind::TruncatePushes
            | FaultKind::LoseReports
            | FaultKind::PullsFail
            | FaultKind::FailRestores
            | FaultKind::RestoreFresh
            | FaultKind::ClockAhead
            | FaultKind::ClockBehind => self.strike_machines(fault.kind),
        };
        let ends_at = sim.elapsed() + Duration::from_millis(fault.lasts_ms);
        self.strikes.last = sim.elapsed();
        self.strikes.in_force.push(Strike { index, ends_at, fault, undo });
    }

    fn reach_paths_of(&mut self, kind: FaultKind) {
        if kind == FaultKind::CrashOperator {
            for party in &self.parties {
                self.reached.reach_in("operator restarted in", &party.status);
            }
        }
    }

    fn strike_link(&self, sim: &mut Sim<'_>, fault: &Fault, link: Link) -> Undo {
        let Some((a, b)) = self.ends(fault, link) else { return Undo::Nothing };
        match fault.kind {
            FaultKind::Hold(_) => {
                sim.hold(a.as_str(), b.as_str());
                Undo::Release(a, b)
            }
            FaultKind::Slow(_) => {
                sim.set_link_latency(a.as_str(), b.as_str(), SLOW);
                Undo::Hasten(a, b)
            }
            FaultKind::PartitionTo(_) => {
                sim.partition_oneway(a.as_str(), b.as_str());
                Undo::Repair(a, b)
            }
            FaultKind::PartitionFrom(_) => {
                sim.partition_oneway(b.as_str(), a.as_str());
                Undo::Repair(a, b)
            }
            FaultKind::Partition(_) => {
                sim.partition(a.as_str(), b.as_str());
                Undo::Repair(a, b)
            }
            other => misdirected(other),
        }
    }

    /// The hosts at the ends of a link; none where one of them is not there.
    fn ends(&self, fault: &Fault, link: Link) -> Option<(String, String)> {
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
        })
    }

    fn strike_processes(&mut self, sim: &mut Sim<'_>, fault: &Fault) -> Undo {
        let party = &self.parties[fault.at.workload];
        let (source, target) =
            (party.names.source_node(&party.workload), party.names.target_node(&party.workload));
        let host = match fault.kind {
            FaultKind::CrashOperator => "operator".to_owned(),
            FaultKind::CrashApiServer => "apiserver".to_owned(),
            FaultKind::CrashBroker => "rabbitmq".to_owned(),
            FaultKind::CrashTraffic => party.names.traffic(),
            FaultKind::CrashSourceKubelet => source,
            FaultKind::CrashTargetKubelet => target,
            FaultKind::LoseSourceNode => self.lose(sim, source),
            FaultKind::LoseTargetNode => self.lose(sim, target),
            FaultKind::KillSource => return self.kill(sim, party.source(&self.cluster)),
            FaultKind::KillTarget => return self.kill(sim, party.target(&self.cluster)),
            other => misdirected(other),
        };
        let count = self.strikes.down.entry(host.clone()).or_default();
        *count += 1;
        if *count == 1 {
            network::crash(sim, host.as_str());
        }
        Undo::StartHost(host)
    }

    fn lose(&mut self, sim: &mut Sim<'_>, node: String) -> String {
        for container in self.cluster.machines.running_on(&node) {
            self.kill(sim, Some(container));
        }
        node
    }

    fn kill(&mut self, sim: &mut Sim<'_>, container: Option<String>) -> Undo {
        if let Some(container) = container {
            for party in &mut self.parties {
                party.oracle.expects_death_of(&container);
            }
            self.cluster.machines.kill(sim, &container, 137);
        }
        Undo::Nothing
    }

    fn act(&mut self, fault: &Fault) -> Undo {
        let api = &self.cluster.api;
        let party = &mut self.parties[fault.at.workload];
        match fault.kind {
            FaultKind::DeleteSource => {
                let pod = self.cluster.source_pod(party.names);
                delete_pod(&self.cluster, &mut party.oracle, &pod);
            }
            FaultKind::DeleteTarget => delete_pod(&self.cluster, &mut party.oracle, &party.names.shadow()),
            FaultKind::ForceDeleteSource => {
                let pod = self.cluster.source_pod(party.names);
                force_delete_pod(&self.cluster, &mut party.oracle, &pod);
            }
            FaultKind::ForceDeleteTarget => {
                force_delete_pod(&self.cluster, &mut party.oracle, &party.names.shadow());
            }
            FaultKind::Cancel => {
                let name = party.names.migration();
                party.cancelled =
                    api.delete("migration.ms2m.io", "statefulmigrations", objects::NAMESPACE, &name);
            }
            FaultKind::ChangeBindings => {
                let binding = BindingView {
                    exchange: objects::EXCHANGE.to_owned(),
                    queue: party.names.queue(),
                    routing_key: "added.later".to_owned(),
                };
                self.cluster.broker.bind(&binding);
                party.oracle.expects_binding(binding);
            }
            other => misdirected(other),
        }
        Undo::Nothing
    }

    fn strike_api(&self, kind: FaultKind) -> Undo {
        let api = &self.cluster.api;
        let operator = RequestMatch::from_client(USER_AGENT);
        let refuse = |code, retry_after_s| FaultEffect::Refuse { code, retry_after_s };
        let (on, times, effect) = match kind {
            FaultKind::ApiConflicts => (operator.writes(), u32::MAX, refuse(409, None)),
            FaultKind::ApiTooMany => (operator, u32::MAX, refuse(429, Some(1))),
            FaultKind::ApiErrors => (operator, u32::MAX, refuse(500, None)),
            FaultKind::LoseAcknowledgement => (operator.writes(), 1, FaultEffect::LoseAcknowledgement),
            FaultKind::LoseWrite => (operator.writes(), 1, FaultEffect::LoseRequest),
            FaultKind::DelayApi => (operator, u32::MAX, FaultEffect::Delay { ms: DELAY_MS }),
            FaultKind::StallWatches => {
                api.stall_watches(operator);
                return Undo::ReleaseWatches;
            }
            FaultKind::CloseWatches => {
                api.close_watches(&RequestMatch::default());
                return Undo::Nothing;
            }
            FaultKind::LaggingApi => {
                api.fall_behind();
                return Undo::CatchUp;
            }
            FaultKind::StaleWatch => {
                api.fall_behind();
                api.close_watches(&RequestMatch::default());
                return Undo::CatchUp;
            }
            FaultKind::CompactHistory => {
                // A watch that is up to date loses nothing by it; one that comes back does.
                api.compact_history();
                api.close_watches(&RequestMatch::default());
                return Undo::Nothing;
            }
            other => misdirected(other),
        };
        let id = api.inject(ApiFault { on, skip: 0, times, effect });
        // A single one waits for the write that it is meant for.
        if times == 1 { Undo::Nothing } else { Undo::Withdraw(id) }
    }

    fn strike_machines(&self, kind: FaultKind) -> Undo {
        let ailment = match kind {
            FaultKind::FailCheckpoint => {
                self.cluster.machines.lock().checkpoint_failures += 1;
                return Undo::Nothing;
            }
            FaultKind::ClockAhead => {
                self.cluster.clock.set(JUMP_MS);
                return Undo::SetClock;
            }
            FaultKind::ClockBehind => {
                self.cluster.clock.set(-JUMP_MS);
                return Undo::SetClock;
            }
            FaultKind::FailCheckpoints => Ailment::FailsCheckpoints,
            FaultKind::SlowCheckpoints => Ailment::SlowCheckpoints,
            FaultKind::DiskFull => Ailment::DiskFull,
            FaultKind::RegistryDown => Ailment::RegistryDown,
            FaultKind::TruncatePushes => Ailment::TruncatesPushes,
            FaultKind::LoseReports => Ailment::LosesReports,
            FaultKind::PullsFail => Ailment::RefusesPulls,
            FaultKind::FailRestores => Ailment::FailsRestores,
            FaultKind::RestoreFresh => Ailment::RestoresFresh,
            other => misdirected(other),
        };
        self.cluster.machines.lock().ailments.insert(ailment);
        Undo::Cure(ailment)
    }

    fn undo(&mut self, sim: &mut Sim<'_>, undo: Undo) {
        match undo {
            Undo::Nothing => {}
            Undo::StartHost(host) => {
                let count = self.strikes.down.entry(host.clone()).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    network::bounce(sim, host.as_str());
                }
            }
            Undo::Release(a, b) => sim.release(a, b),
            Undo::Repair(a, b) => sim.repair(a, b),
            Undo::Hasten(a, b) => sim.set_link_latency(a, b, USUAL),
            Undo::Withdraw(id) => self.cluster.api.withdraw(id),
            Undo::ReleaseWatches => self.cluster.api.release_watches(),
            Undo::CatchUp => self.cluster.api.catch_up(),
            Undo::Confirm => self.cluster.broker.withhold_confirms(false),
            Undo::FreeMemory => self.cluster.broker.end_memory_alarm(),
            Undo::BindInTime => self.cluster.broker.delay_bindings(None),
            Undo::Cure(ailment) => drop(self.cluster.machines.lock().ailments.remove(&ailment)),
            Undo::SetClock => self.cluster.clock.set(0),
        }
    }
}

/// A kind that came to where nothing is done for it must not pass for another one.
fn misdirected(kind: FaultKind) -> ! {
    unreachable!("{kind} was sent to what cannot break so")
}

fn delete_pod(cluster: &Cluster, oracle: &mut Oracle, pod: &str) {
    if let Some(container) = cluster.running(pod) {
        oracle.expects_death_of(&container);
    }
    cluster.api.delete("", "pods", objects::NAMESPACE, pod);
}

fn force_delete_pod(cluster: &Cluster, oracle: &mut Oracle, pod: &str) {
    if let Some(container) = cluster.running(pod) {
        let pod_uid = cluster.machines.lock().containers.get(&container).map(|it| it.pod_uid.clone());
        oracle.expects_zombie(&container, &pod_uid.unwrap_or_default());
    }
    cluster.api.force_delete("", "pods", objects::NAMESPACE, pod);
}
