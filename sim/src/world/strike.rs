//! Breaks what a plan says, when its moment has come, and makes it whole again.
//!
//! A kind is listed twice: where it is sent to what it breaks, and there. What arrives where nothing is done for it ends the run.

mod api;
mod broker;
mod evidence;
mod links;
mod machines;
mod processes;

use std::{collections::BTreeMap, time::Duration};

use turmoil::Sim;

use evidence::Evidence;

use super::{
    Cluster, drive::Drive, freezer::Freezer, machines::Ailment, objects, oracle::Oracle, rare, routes::Routes,
};
use crate::{
    network,
    plan::{Fault, FaultKind},
    report::Lane,
};

/// How long a fault that is meant for the next request waits for one: what comes later, when all else is whole again, has to get
/// through.
const LIES_IN_WAIT: Duration = Duration::from_secs(30);

/// The faults of a plan: those that wait for their step, those that wait for their time, those in force.
pub(super) struct Strikes {
    waiting: Vec<Fault>,
    due: Vec<(Duration, Fault)>,
    in_force: Vec<Strike>,
    /// How many crashes hold a host down.
    down: BTreeMap<String, u32>,
    /// How many operators there were, the first included.
    operators: u32,
    last: Duration,
    /// What has struck, for the report.
    pub(super) history: Vec<Struck>,
}

/// A fault whose moment came, and until when it was in force.
pub(super) struct Struck {
    pub(super) fault: Fault,
    pub(super) at: Duration,
    pub(super) until: Option<Duration>,
    /// What it is about was not there, or nobody met it; as long as that is not settled, it is taken for so.
    pub(super) in_vain: bool,
    /// What shows that it was not in vain; none once that is settled.
    evidence: Option<Evidence>,
}

/// What a fault did when its moment came.
struct Blow {
    undo: Undo,
    evidence: Evidence,
}

/// It broke what was there.
impl From<Undo> for Blow {
    fn from(undo: Undo) -> Self {
        Self { undo, evidence: Evidence::AtOnce(true) }
    }
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
    EndHost(String),
    Thaw {
        freezer: Freezer,
        held: Vec<(String, String)>,
    },
    Replace {
        ends: String,
        starts: String,
    },
    Release(String, String),
    Repair(String, String),
    Hasten(String, String),
    Withdraw(Vec<u64>),
    /// The same of what is meant for a single request each: it is over as soon as all of them were hit.
    Disarm(Vec<u64>),
    ReleaseWatches,
    CatchUp,
    Confirm,
    FreeMemory,
    BindInTime,
    Cure(Ailment),
    JumpBack(i64),
}

impl Strikes {
    pub(super) fn new(faults: &[Fault]) -> Self {
        Self {
            waiting: faults.to_vec(),
            due: Vec::new(),
            in_force: Vec::new(),
            down: BTreeMap::new(),
            operators: 1,
            last: Duration::ZERO,
            history: Vec::new(),
        }
    }

    /// Whether nothing is broken at present, nor about to be.
    pub(super) fn are_over(&self) -> bool {
        self.in_force.is_empty() && self.due.is_empty()
    }

    /// How many faults have struck something.
    pub(super) fn struck(&self) -> usize {
        self.history.len() - self.in_vain()
    }

    /// How many found nothing to strike.
    pub(super) fn in_vain(&self) -> usize {
        self.history.iter().filter(|struck| struck.in_vain).count()
    }

    /// When something last broke or was made whole.
    pub(super) fn last(&self) -> Duration {
        self.last
    }
}

impl Drive {
    pub(super) fn strike_what_is_due(&mut self, sim: &mut Sim<'_>) {
        let (now, counts) = (sim.elapsed(), self.cluster.counts());
        let waiting = std::mem::take(&mut self.strikes.waiting);
        for fault in waiting {
            let party = &self.parties[fault.at.workload];
            let meant = party.asked.filter(|_| party.names.round == fault.at.round);
            let passed =
                meant.is_some_and(|before| fault.at.step.is_passed(&party.status, counts.since(before)));
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
        let (over, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.strikes.in_force)
            .into_iter()
            .partition(|strike| strike.ends_at <= now || self.is_used_up(&strike.undo));
        self.strikes.in_force = still;
        for Strike { index, fault, undo, .. } in over {
            self.strikes.history[index].until = Some(now);
            if fault.kind.lasts() {
                self.note(sim, Lane::Fault, format_args!("{} ends", fault.kind));
            }
            let evidence = self.strikes.history[index].evidence.as_ref();
            if evidence.is_some_and(|evidence| !evidence.may_come_late()) {
                self.settle(sim, index);
            }
            self.undo(sim, undo);
            self.strikes.last = now;
        }
    }

    /// Settles what has struck something for all faults of which that is open.
    pub(super) fn settle_strikes(&mut self, sim: &Sim<'_>) {
        (0..self.strikes.history.len()).for_each(|index| self.settle(sim, index));
    }

    fn settle(&mut self, sim: &Sim<'_>, index: usize) {
        let struck = &mut self.strikes.history[index];
        let Some(evidence) = struck.evidence.take() else { return };
        struck.in_vain = !evidence.is_there(&self.cluster);
        if struck.in_vain {
            let text = format!("{} found nothing to strike", struck.fault);
            self.note_afterwards(sim, Lane::Fault, text);
        } else {
            self.reached.reach(rare::struck_by(struck.fault.kind));
        }
    }

    /// Whether what waited for a single request has had it.
    fn is_used_up(&self, undo: &Undo) -> bool {
        matches!(undo, Undo::Disarm(ids) if ids.iter().all(|id| self.cluster.api.has_hit(*id)))
    }

    fn strike(&mut self, sim: &mut Sim<'_>, fault: Fault) {
        self.reach_paths_of(fault.kind);
        let blow = self.strikes_at(sim, &fault);
        match &blow {
            Some(_) => self.note(sim, Lane::Fault, &fault),
            None => self.note(sim, Lane::Fault, format_args!("{fault} finds nothing to strike")),
        }
        let (index, at) = (self.strikes.history.len(), sim.elapsed());
        let (undo, evidence) = blow.map(|Blow { undo, evidence }| (undo, evidence)).unzip();
        let struck = Struck { fault: fault.clone(), at, until: None, in_vain: true, evidence };
        self.strikes.history.push(struck);
        self.strikes.last = at;
        let Some(undo) = undo else { return };
        for (index, party) in self.parties.iter_mut().enumerate() {
            if fault.kind.strikes_everybody() || index == fault.at.workload {
                party.oracle.permits(fault.kind);
            }
        }
        let lasts = match &undo {
            Undo::Disarm(_) => LIES_IN_WAIT,
            _ => Duration::from_millis(fault.lasts_ms),
        };
        let ends_at = at + lasts;
        self.strikes.in_force.push(Strike { index, ends_at, fault, undo });
    }

    /// Lets it strike; returns what it did, or nothing where what it is about is not there.
    #[allow(clippy::too_many_lines, reason = "it is the list of kinds, and nothing else")]
    fn strikes_at(&mut self, sim: &mut Sim<'_>, fault: &Fault) -> Option<Blow> {
        let undo = match fault.kind {
            FaultKind::Hold(link)
            | FaultKind::Partition(link)
            | FaultKind::PartitionTo(link)
            | FaultKind::PartitionFrom(link)
            | FaultKind::Slow(link) => self.strike_link(sim, fault, link),
            FaultKind::CrashOperator
            | FaultKind::FreezeOperator
            | FaultKind::FreezeSource
            | FaultKind::FreezeTarget
            | FaultKind::AnotherOperator
            | FaultKind::ReplaceOperator
            | FaultKind::CrashApiServer
            | FaultKind::CrashBroker
            | FaultKind::CrashTraffic
            | FaultKind::CrashRegistry
            | FaultKind::CrashSourceKubelet
            | FaultKind::CrashTargetKubelet
            | FaultKind::LoseSourceNode
            | FaultKind::LoseTargetNode
            | FaultKind::LoseThirdNode
            | FaultKind::KillSource
            | FaultKind::KillTarget => self.strike_processes(sim, fault),
            FaultKind::DeleteSource
            | FaultKind::DeleteTarget
            | FaultKind::ForceDeleteSource
            | FaultKind::ForceDeleteTarget
            | FaultKind::Cancel
            | FaultKind::ChangeBindings => self.act(fault),
            FaultKind::ApiConflicts
            | FaultKind::ApiTooMany
            | FaultKind::ApiErrors
            | FaultKind::LoseAcknowledgement
            | FaultKind::LoseWrite
            | FaultKind::DelayStatus
            | FaultKind::DelayApi
            | FaultKind::StallWatches
            | FaultKind::CloseWatches
            | FaultKind::CompactHistory
            | FaultKind::LaggingApi
            | FaultKind::RepeatWatches
            | FaultKind::StaleWatch => return Some(self.strike_api(fault)),
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
            | FaultKind::DeleteTargetControl => self.strike_broker(fault),
            FaultKind::FailCheckpoint
            | FaultKind::FailCheckpoints
            | FaultKind::SlowCheckpoints
            | FaultKind::HangCheckpoints
            | FaultKind::DiskFull
            | FaultKind::RegistryDown
            | FaultKind::HangRegistry
            | FaultKind::TruncatePushes
            | FaultKind::RefuseManifests
            | FaultKind::LosePushAnswers
            | FaultKind::CrashTransfers
            | FaultKind::LoseReports
            | FaultKind::PullsFail
            | FaultKind::FailRestores
            | FaultKind::RestoreFresh
            | FaultKind::ClockAhead
            | FaultKind::ClockBehind => return Some(self.strike_machines(fault.kind)),
        };
        undo.map(Blow::from)
    }

    fn reach_paths_of(&mut self, kind: FaultKind) {
        if matches!(kind, FaultKind::CrashOperator | FaultKind::ReplaceOperator) {
            for party in &self.parties {
                self.reached.reach_in("operator restarted in", &party.status);
            }
        }
    }

    /// What a person does to the cluster's objects.
    fn act(&mut self, fault: &Fault) -> Option<Undo> {
        let party = &mut self.parties[fault.at.workload];
        let is_done = match fault.kind {
            FaultKind::DeleteSource => {
                let pod = self.cluster.source_pod(party.names);
                delete_pod(&self.cluster, &mut party.oracle, &pod)
            }
            FaultKind::DeleteTarget => delete_pod(&self.cluster, &mut party.oracle, &party.names.shadow()),
            FaultKind::ForceDeleteSource => {
                let pod = self.cluster.source_pod(party.names);
                force_delete_pod(&self.cluster, &mut party.oracle, &pod)
            }
            FaultKind::ForceDeleteTarget => {
                force_delete_pod(&self.cluster, &mut party.oracle, &party.names.shadow())
            }
            FaultKind::Cancel => {
                let (name, api) = (party.names.migration(), &self.cluster.api);
                party.cancelled =
                    api.delete("migration.ms2m.io", "statefulmigrations", objects::NAMESPACE, &name);
                party.cancelled
            }
            FaultKind::ChangeBindings => {
                let binding = Routes::of(party.names, party.workload.shape).added();
                // To bind it once more changes nothing.
                let is_new = !self.cluster.broker.bindings().contains(&binding);
                if is_new {
                    self.cluster.broker.bind(&binding);
                    party.oracle.expects_binding(binding);
                }
                is_new
            }
            other => misdirected(other),
        };
        is_done.then_some(Undo::Nothing)
    }

    /// Makes whole what a fault broke, but for what another one that is still in force has broken, too.
    fn undo(&mut self, sim: &mut Sim<'_>, undo: Undo) {
        if self.is_kept_broken(&undo) {
            return;
        }
        match undo {
            Undo::Nothing => {}
            Undo::StartHost(host) => self.start_host(sim, &host),
            Undo::EndHost(host) => network::crash(sim, host.as_str()),
            Undo::Thaw { freezer, held } => {
                for (a, b) in held {
                    self.release(sim, &a, &b);
                }
                freezer.thaw();
            }
            Undo::Replace { ends, starts } => {
                network::crash(sim, ends.as_str());
                self.start_host(sim, &starts);
            }
            Undo::Release(a, b) => self.release(sim, &a, &b),
            Undo::Repair(a, b) => self.repair(sim, &a, &b),
            Undo::Hasten(a, b) => self.hasten(sim, &a, &b),
            Undo::Withdraw(ids) | Undo::Disarm(ids) => {
                for id in ids {
                    self.cluster.api.withdraw(id);
                }
            }
            Undo::ReleaseWatches => self.cluster.api.release_watches(),
            Undo::CatchUp => self.cluster.api.catch_up(),
            Undo::Confirm => self.cluster.broker.withhold_confirms(false),
            Undo::FreeMemory => self.cluster.broker.end_memory_alarm(),
            Undo::BindInTime => self.cluster.broker.delay_bindings(None),
            Undo::Cure(ailment) => drop(self.cluster.machines.lock().ailments.remove(&ailment)),
            Undo::JumpBack(ms) => self.cluster.clock.jump(-ms),
        }
    }

    /// Whether a fault that is still in force has broken the same, which is broken or whole and nothing between.
    fn is_kept_broken(&self, undo: &Undo) -> bool {
        let is_the_same = |strike: &Strike| match (&strike.undo, undo) {
            (Undo::ReleaseWatches, Undo::ReleaseWatches)
            | (Undo::Confirm, Undo::Confirm)
            | (Undo::FreeMemory, Undo::FreeMemory)
            | (Undo::BindInTime, Undo::BindInTime) => true,
            (Undo::Cure(one), Undo::Cure(other)) => one == other,
            _ => false,
        };
        self.strikes.in_force.iter().any(is_the_same)
    }
}

/// A kind that came to where nothing is done for it must not pass for another one.
fn misdirected(kind: FaultKind) -> ! {
    unreachable!("{kind} was sent to what cannot break so")
}

fn delete_pod(cluster: &Cluster, oracle: &mut Oracle, pod: &str) -> bool {
    if let Some(id) = cluster.running(pod)
        && let Some(container) = cluster.machines.lock().containers.get(&id)
    {
        oracle.expects_death_of(&id, container);
    }
    cluster.api.delete("", "pods", objects::NAMESPACE, pod)
}

fn force_delete_pod(cluster: &Cluster, oracle: &mut Oracle, pod: &str) -> bool {
    if let Some(container) = cluster.running(pod) {
        let pod_uid = cluster.machines.lock().containers.get(&container).map(|it| it.pod_uid.clone());
        oracle.expects_zombie(&container, &pod_uid.unwrap_or_default());
    }
    cluster.api.force_delete("", "pods", objects::NAMESPACE, pod)
}
