use std::time::Duration;

use ms2m::{
    api::{FIELD_MANAGER, Phase, StatefulMigration},
    kubernetes::client::USER_AGENT,
};
use serde::Deserialize as _;
use serde_json::Value;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use turmoil::Sim;

use super::{
    Cluster, Reached, activity::Activity, objects, oracle::Isolation, party::Party, rare, strike::Strikes,
};
use crate::{
    determinism::{self, TraceLayer, wall_clock},
    network::{self, Delivery},
    plan::{Plan, TargetBy},
    report::{Belief, Lane, Sample, Timeline, Verdict, Violation, narrate},
};

/// What undoing and taking down may take after everything that has a deadline.
const CLEAN_UP: Duration = Duration::from_mins(5);
/// After the traffic has stopped, what is left to consume becomes less in each such while.
const DRAIN: Duration = Duration::from_mins(1);
/// How long the operator may take after the end to see that nothing is left to do.
const SETTLE: Duration = Duration::from_secs(4);
/// How long it must then be silent.
const SILENCE: Duration = Duration::from_secs(4);
/// And how long in one seed of [`PATIENT_EVERY`]: what comes again and again is left alone by the operator for up to 30 s in between.
/// In every run that would be a third of all its time.
const LONG_SILENCE: Duration = Duration::from_secs(35);
const PATIENT_EVERY: u64 = 8;
/// How often somebody else may change something in that while before nothing is made of it any more.
const RESTLESS: u32 = 10;
/// What a fault that has just ended may still cause: a broken watch is opened again, a connection found dead.
const AFTERMATH: Duration = Duration::from_secs(30);

/// Whether a run notes every step that it takes. It goes the same way with and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// The verdict has the trace and its hash.
    On,
    /// It has neither, and is there sooner.
    Off,
}

/// Runs a plan to its end, on a thread of its own, and says what it proved.
pub fn run(plan: impl Into<Plan>, tracing: Tracing) -> Verdict {
    let plan = plan.into();
    let seed = plan.scenario.seed;
    determinism::run(seed, move || {
        let began = wall_clock();
        let log = tracing_subscriber::registry().with(TraceLayer::new(Level::DEBUG));
        let _log = match tracing {
            Tracing::On => Some(tracing::subscriber::set_default(log)),
            Tracing::Off => {
                determinism::leave_no_trace();
                None
            }
        };
        let scenario = &plan.scenario;
        if scenario.fragmented {
            Delivery::Fragmented.select();
        } else if let Some(most) = scenario.pace.segment_bytes {
            Delivery::Segments(most).select();
        }
        let cluster = Cluster::new(scenario);
        let mut builder = network::sim_builder(seed);
        builder.max_message_latency(Duration::from_micros(scenario.latency_us_max));
        let mut sim = builder.build();
        cluster.populate(&mut sim, scenario);
        let mut drive = Drive::new(&plan, cluster);
        let mut verdict = drive.run(&mut sim);
        if tracing == Tracing::On {
            // Before the hosts go: their end is no part of the run.
            let trace = determinism::take_trace();
            verdict.trace_hash = Some(determinism::trace_hash(&trace));
            verdict.trace = trace;
        }
        drop(sim);
        verdict.wall_ms = u64::try_from(wall_clock().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        verdict
    })
}

/// A run that is under way.
pub(super) struct Drive {
    pub(super) plan: Plan,
    pub(super) cluster: Cluster,
    pub(super) parties: Vec<Party>,
    pub(super) strikes: Strikes,
    pub(super) reached: Reached,
    pub(super) isolation: Isolation,
    timeline: Timeline,
    samples: Vec<Sample>,
    expired_watches: u64,
    version: u64,
    /// The operator that worked last.
    leader: Option<String>,
    verdict: Verdict,
}

impl Drive {
    fn new(plan: &Plan, cluster: Cluster) -> Self {
        let workloads = plan.scenario.workloads.iter().enumerate();
        Self {
            parties: workloads.map(|(index, w)| Party::new(index, w, &cluster, &plan.faults)).collect(),
            strikes: Strikes::new(&plan.faults),
            plan: plan.clone(),
            cluster,
            reached: Reached::default(),
            isolation: Isolation::default(),
            timeline: Timeline::default(),
            samples: Vec::new(),
            expired_watches: 0,
            version: 0,
            leader: None,
            verdict: Verdict::default(),
        }
    }

    fn run(&mut self, sim: &mut Sim<'_>) -> Verdict {
        self.prepare();
        let ready = self.until(sim, Duration::from_mins(1), Self::sources_consume);
        if !ready {
            self.broke(sim, "Converges", "a workload does not start".to_owned());
            return self.conclude(sim);
        }
        let count = self.parties.len();
        self.note(sim, Lane::App, format_args!("{count} workloads consume their queues"));
        let warm = sim.elapsed() + Duration::from_millis(self.plan.scenario.warm_up_ms);
        self.step_until(sim, warm);
        self.ask(sim, warm);
        self.converge(sim);
        self.publish_on(sim);
        self.drain(sim);
        self.fall_silent(sim);
        self.conclude(sim)
    }

    fn prepare(&mut self) {
        if let Some(mistake) = self.plan.scenario.mistake {
            mistake.prepare(&self.cluster);
            for party in &mut self.parties {
                party.oracle.expects_refusal(mistake.shows_before_the_start());
            }
        }
        for party in self.parties.iter_mut().filter(|party| party.workload.owner.is_some()) {
            party.oracle.expects_refusal(true);
        }
    }

    /// Until every migration is over and every fault has ended; at most as long as all deadlines together after the last
    /// fault.
    fn converge(&mut self, sim: &mut Sim<'_>) {
        let patience = self.parties.iter().map(|party| party.workload.knobs.patience()).max();
        let patience = patience.unwrap_or_default() + CLEAN_UP;
        let mut calm_since = sim.elapsed();
        while sim.elapsed() < calm_since + patience {
            if self.go_on(sim) {
                calm_since = sim.elapsed();
            }
            if self.parties.iter().all(Party::is_over) && self.strikes.are_over() {
                return;
            }
            self.step(sim);
            calm_since = calm_since.max(self.strikes.last());
        }
        let undecided: Vec<String> = self
            .parties
            .iter()
            .filter(|party| !party.is_over())
            .map(|party| format!("{} is still {:?}", party.names.migration(), party.status.phase))
            .collect();
        let message = format!("{} {} s after the last fault", undecided.join(", "), patience.as_secs());
        self.broke(sim, "Converges", message);
    }

    /// Lets messages arrive for a while with everything as it is to stay: whoever is not to consume any more could take one,
    /// and the operator is not to care for them.
    fn publish_on(&mut self, sim: &mut Sim<'_>) {
        self.step_until(sim, sim.elapsed() + SETTLE);
        if self.calm_from() <= sim.elapsed() {
            self.stays_silent(sim, SILENCE);
        } else {
            self.step_until(sim, sim.elapsed() + SILENCE);
        }
    }

    fn fall_silent(&mut self, sim: &mut Sim<'_>) {
        self.step_until(sim, self.calm_from().max(sim.elapsed() + SETTLE));
        let is_patient = self.plan.scenario.seed % PATIENT_EVERY == PATIENT_EVERY - 1;
        self.stays_silent(sim, if is_patient { LONG_SILENCE } else { SILENCE });
    }

    /// When nothing that broke has any consequence left.
    fn calm_from(&self) -> Duration {
        if self.plan.faults.is_empty() { Duration::ZERO } else { self.strikes.last() + AFTERMATH }
    }

    /// Where every migration is over, and nobody else changes what it watches, the operator does nothing.
    fn stays_silent(&mut self, sim: &mut Sim<'_>, silence: Duration) {
        for _ in 0..RESTLESS {
            let (before, watched) = (Activity::of_the_operator(&self.cluster), self.watched());
            let writes = self.cluster.api.writes_of(FIELD_MANAGER);
            self.step_until(sim, sim.elapsed() + silence);
            let activity = Activity::of_the_operator(&self.cluster).since(&before);
            if !self.parties.iter().all(Party::is_over) || !activity.is_any() {
                return;
            }
            let wrote = self.cluster.api.writes_of(FIELD_MANAGER) > writes;
            if wrote || self.watched() == watched {
                let what = "the operator is still at it after the end, where nothing changes";
                self.broke(sim, "Converges", format!("{what}: {activity}"));
                return;
            }
        }
        self.broke(sim, "Converges", "what the operator watches changes without end".to_owned());
    }

    /// The versions of what belongs to migrations and others change, such as the kubelet of a node that is back: to look then is
    /// what the operator is for.
    fn watched(&self) -> Vec<String> {
        let pods = self.cluster.api.list("", "pods", objects::NAMESPACE);
        let jobs = self.cluster.api.list("batch", "jobs", objects::NAMESPACE);
        let version = |object: &Value| {
            format!("{} {}", object["metadata"]["uid"], object["metadata"]["resourceVersion"])
        };
        pods.iter().chain(&jobs).map(|object| version(object)).collect()
    }

    /// Stops the publishers, and waits until everything that they published is consumed.
    fn drain(&mut self, sim: &mut Sim<'_>) {
        self.cluster.stop_traffic.send_replace(true);
        self.note(sim, Lane::Traffic, "publishers stop");
        let mut left = usize::MAX;
        // However much has piled up, as long as it becomes less.
        while !self.until(sim, DRAIN, |drive| drive.undrained() == 0) {
            let now = self.undrained();
            if now >= left {
                self.broke(sim, "Converges", format!("{now} messages stay in the queues"));
                break;
            }
            left = now;
        }
        // An ack is not its output's confirm: what is on its way arrives.
        self.step_until(sim, sim.elapsed() + Duration::from_secs(1));
    }

    /// What is still to be consumed, and one more for each publisher that has not finished.
    fn undrained(&self) -> usize {
        let queues = self.cluster.broker.queues();
        let left = self.parties.iter().map(|party| {
            // Where nobody is left to consume, whether that may be is the oracle's matter.
            let nobody = party.source(&self.cluster).is_none() && party.target(&self.cluster).is_none();
            if nobody || party.status.phase == Phase::Failed {
                return 0;
            }
            let name = party.names.queue();
            queues.iter().filter(|queue| queue.name == name).map(|queue| queue.ready + queue.unacked).sum()
        });
        let publishing = self.cluster.traffic.iter().filter(|traffic| !*traffic.finished.borrow()).count();
        left.sum::<usize>() + publishing
    }

    fn conclude(&mut self, sim: &Sim<'_>) -> Verdict {
        self.settle_strikes(sim);
        let mut verdict = std::mem::take(&mut self.verdict);
        verdict.seed = Some(self.plan.scenario.seed);
        verdict.faults = self.plan.faults.iter().map(ToString::to_string).collect();
        for party in &mut self.parties {
            let report = party.conclude(&self.cluster, sim.elapsed());
            verdict.published += report.published;
            verdict.applied += report.applied;
            verdict.lost += report.lost;
            verdict.duplicated += report.duplicated;
            verdict.reordered += report.reordered;
            verdict.excuse = verdict.excuse.or(report.excuse);
            verdict.violations.extend(party.oracle.violations().iter().cloned());
            verdict.workloads.push(report);
        }
        verdict.violations.sort_by_key(|violation| violation.at_ms);
        if !verdict.violations.is_empty() && verdict.beliefs.is_empty() {
            verdict.beliefs = self.beliefs();
        }
        verdict.migration =
            verdict.workloads.first().map(|first| first.migration.clone()).unwrap_or_default();
        if verdict.workloads.len() == 1 {
            verdict.workloads.clear();
        }
        verdict.timeline = std::mem::take(&mut self.timeline);
        verdict.samples = std::mem::take(&mut self.samples);
        verdict.letters = self.letters();
        verdict.history = self.history();
        (verdict.struck, verdict.in_vain) = (self.strikes.struck(), self.strikes.in_vain());
        (0..self.parties.len()).for_each(|index| self.reach_at_the_end_of(index));
        let of_machines = self.cluster.machines.lock().reached.take();
        for point in of_machines {
            self.reached.reach(point);
        }
        verdict.reached = self.reached.take();
        verdict
    }

    fn beliefs(&self) -> Vec<Belief> {
        self.parties.iter().flat_map(|party| party.beliefs(&self.cluster)).collect()
    }

    /// Rare points that only show when a migration is over.
    pub(super) fn reach_at_the_end_of(&mut self, index: usize) {
        let party = &self.parties[index];
        let conflict = self.cluster.api.encounters().conflicts > 0;
        self.reached.reach_if(conflict, "status written in conflict");
        let blind = self.cluster.api.blind_watches(USER_AGENT) > 0;
        self.reached.reach_if(blind, "watch resumed at a server that is behind");
        let traffic = &self.cluster.traffic[party.names.index];
        self.reached.reach_if(traffic.record.snapshot().resent > 0, "message published again");
        let outputs = self.cluster.broker.identities(&party.names.results());
        let once: std::collections::BTreeSet<_> = outputs.iter().collect();
        self.reached.reach_if(once.len() < outputs.len(), "output emitted again");
        self.reached.reach_if(party.zombie_was_refused(&self.cluster), "zombie refused by the broker");
        self.reached.reach_if(party.stale_commands(&self.cluster), "stale command ignored");
        let completed = party.status.phase == Phase::Completed;
        let kept = completed && party.workload.knobs.retain_checkpoint;
        self.reached.reach_if(kept, "image kept by policy");
        self.reached
            .reach_if(completed && party.cancelled, "cancelled after the point of no return, and completed");
        let missed = party.oracle.source_died() && rare::went_on_without_its_source(&party.status);
        self.reached.reach_if(completed && missed, rare::FORWARD_WITHOUT_SOURCE);
        self.reached.reach_if(completed && party.names.moved > 0, "moved on, or back");
        let handover = party.status.handover.clone().unwrap_or_default();
        let second = party.sessions_after_point_of_no_return > 0 && handover.switched_at.is_some();
        self.reached.reach_if(second, "switched by a second session");
        if completed {
            self.reach_moved_as_said(index);
        }
    }

    fn reach_moved_as_said(&mut self, index: usize) {
        let wording = self.parties[index].workload.wording;
        let by_labels = wording.target == TargetBy::Labels;
        self.reached.reach_if(by_labels, "moved to a node that labels say");
        self.reached.reach_if(wording.sidecar, "moved out of a pod with a sidecar");
        self.reached.reach_if(wording.bindings, "moved with bindings that the user said");
        let direct = self.plan.scenario.direct_kubelets;
        self.reached.reach_if(direct, "moved by a kubelet that was asked directly");
    }

    pub(super) fn note(&mut self, sim: &Sim<'_>, lane: Lane, text: impl std::fmt::Display) {
        crate::trace!("run", "{text}");
        self.timeline.note(sim.elapsed(), lane, text);
    }

    /// What is only known afterwards, and is no step of the run: the trace has no line for it.
    pub(super) fn note_afterwards(&mut self, sim: &Sim<'_>, lane: Lane, text: impl std::fmt::Display) {
        self.timeline.note(sim.elapsed(), lane, text);
    }

    /// What concerns no single migration.
    pub(super) fn broke(&mut self, sim: &Sim<'_>, invariant: &'static str, message: String) {
        let at_ms = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.verdict.violations.push(Violation { invariant, at_ms, message });
    }

    fn until(&mut self, sim: &mut Sim<'_>, patience: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = sim.elapsed().saturating_add(patience);
        while sim.elapsed() < end {
            if done(self) {
                return true;
            }
            self.step(sim);
        }
        done(self)
    }

    pub(super) fn step_until(&mut self, sim: &mut Sim<'_>, end: Duration) {
        while sim.elapsed() < end {
            self.step(sim);
        }
    }

    pub(super) fn step(&mut self, sim: &mut Sim<'_>) {
        self.cluster.machines.serve(sim);
        self.end_strikes(sim);
        if let Err(error) = sim.step() {
            self.broke(sim, "Converges", format!("a host failed: {error}"));
        }
        let before = self.violations();
        self.look(sim);
        if let Some(message) = self.isolation.look(&self.cluster) {
            self.broke_isolation(sim, message);
        }
        self.strike_what_is_due(sim);
        for party in &mut self.parties {
            party.oracle.check(&self.cluster, &party.status, sim.elapsed());
        }
        if self.violations() > before && self.verdict.beliefs.is_empty() {
            self.verdict.beliefs = self.beliefs();
        }
    }

    /// How many invariants are broken so far.
    fn violations(&self) -> usize {
        let of_parties = self.parties.iter().map(|party| party.oracle.violations().len());
        self.verdict.violations.len() + of_parties.sum::<usize>()
    }

    /// Reads the objects' status when anything was written.
    fn look(&mut self, sim: &mut Sim<'_>) {
        let expired = self.cluster.api.expired_watches(USER_AGENT);
        if expired > self.expired_watches {
            self.expired_watches = expired;
            for party in &self.parties {
                self.reached.reach_in("410 during", &party.status);
            }
        }
        let version = self.cluster.api.resource_version();
        if version == self.version {
            return;
        }
        self.version = version;
        self.look_for_evictions();
        self.look_for_a_new_leader(sim);
        let (mut lines, mut strangers) = (Vec::new(), Vec::new());
        for party in self.parties.iter_mut().filter(|party| party.asked.is_some()) {
            let Some(object) = party.object(&self.cluster) else {
                party.gone = true;
                continue;
            };
            if party.uid.is_empty() {
                object["metadata"]["uid"].as_str().unwrap_or_default().clone_into(&mut party.uid);
            }
            let Ok(migration) = StatefulMigration::deserialize(&*object) else { continue };
            strangers.extend(self.isolation.follow(party.names, &migration));
            let Some(status) = migration.status else { continue };
            if status == party.status {
                continue;
            }
            party.oracle.follow(&status, sim.elapsed());
            self.reached.follow(&party.status, &status);
            self.samples.extend(Sample::of(party.names.index, sim.elapsed(), &party.status, &status));
            let old = party.follow(status);
            let told = narrate(&old, &party.status).into_iter();
            lines.extend(told.map(|(lane, text)| (party.names, lane, text)));
        }
        for (names, lane, text) in lines {
            crate::trace!("run", "{}: {text}", names.migration());
            self.timeline.note_of((names.index, names.migration()), sim.elapsed(), lane, text);
        }
        if let Some(message) = strangers.into_iter().next() {
            self.broke_isolation(sim, message);
        }
        self.look_at_the_hurried(sim);
    }

    /// Whether another operator works than before; the Lease may be nobody's in between.
    fn look_for_a_new_leader(&mut self, sim: &mut Sim<'_>) {
        let Some(leader) = self.cluster.leader().filter(|leader| !leader.is_empty()) else { return };
        let Some(before) = self.leader.replace(leader.clone()).filter(|before| *before != leader) else {
            return;
        };
        self.note(sim, Lane::Run, format_args!("{leader} works, and no longer {before}"));
        if self.parties.iter().any(|party| party.asked.is_some() && !party.is_over()) {
            self.reached.reach(rare::TAKEN_OVER);
            self.reached.reach_if(sim.is_host_running(before.as_str()), rare::MADE_WAY);
        }
    }

    /// The first time tells.
    pub(super) fn broke_isolation(&mut self, sim: &Sim<'_>, message: String) {
        if self.verdict.violations.iter().all(|known| known.invariant != "Isolation") {
            self.broke(sim, "Isolation", message);
        }
    }

    fn sources_consume(&self) -> bool {
        let queues = self.cluster.broker.queues();
        self.parties.iter().all(|party| {
            let name = party.names.queue();
            queues.iter().any(|queue| queue.name == name && !queue.consumers.is_empty())
        })
    }
}
