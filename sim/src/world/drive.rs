use std::time::Duration;

use ms2m::api::{FIELD_MANAGER, Phase, StatefulMigration};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use turmoil::Sim;

use super::{Cluster, Mistake, objects, party::Party, strike::Strikes};
use crate::{
    determinism::{self, TraceLayer, wall_clock},
    network::{self, Delivery},
    plan::Plan,
    report::{Lane, Timeline, Verdict, Violation, narrate},
};

/// What undoing and taking down may take after everything that has a deadline.
const CLEAN_UP: Duration = Duration::from_mins(5);
/// How long the workload may take to catch up after the traffic has stopped.
const DRAIN: Duration = Duration::from_mins(5);
/// How long the operator may take after the end to see that nothing is left to do.
const SETTLE: Duration = Duration::from_secs(4);
/// How long it must then be silent.
const SILENCE: Duration = Duration::from_secs(4);
/// What a fault that has just ended may still cause: a broken watch is opened again, a connection found dead.
const AFTERMATH: Duration = Duration::from_secs(30);

/// Runs a plan to its end, on a thread of its own, and says what it proved.
pub fn run(plan: impl Into<Plan>) -> Verdict {
    let plan = plan.into();
    let seed = plan.scenario.seed;
    determinism::run(seed, move || {
        let began = wall_clock();
        let log = tracing_subscriber::registry().with(TraceLayer::new(Level::DEBUG));
        let _log = tracing::subscriber::set_default(log);
        let scenario = &plan.scenario;
        if scenario.fragmented {
            Delivery::Fragmented.select();
        }
        let cluster = Cluster::new(scenario);
        let mut builder = network::sim_builder(seed);
        builder.max_message_latency(Duration::from_micros(scenario.latency_us_max));
        let mut sim = builder.build();
        cluster.populate(&mut sim, scenario);
        let mut drive = Drive::new(&plan, cluster);
        let mut verdict = drive.run(&mut sim);
        // Before the hosts go: their end is no part of the run.
        let trace = determinism::take_trace();
        verdict.trace_hash = Some(determinism::trace_hash(&trace));
        verdict.trace = trace;
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
    timeline: Timeline,
    version: u64,
    verdict: Verdict,
}

impl Drive {
    fn new(plan: &Plan, cluster: Cluster) -> Self {
        let may_repeat = !plan.faults.is_empty();
        let workloads = plan.scenario.workloads.iter().enumerate();
        Self {
            parties: workloads.map(|(index, w)| Party::new(index, w, &cluster, may_repeat)).collect(),
            strikes: Strikes::new(&plan.faults),
            plan: plan.clone(),
            cluster,
            timeline: Timeline::default(),
            version: 0,
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
        self.fall_silent(sim);
        self.drain(sim);
        self.conclude(sim)
    }

    fn prepare(&mut self) {
        if let Some(mistake) = self.plan.scenario.mistake {
            mistake.prepare(&self.cluster);
            if mistake.shows_before_the_start() {
                for party in &mut self.parties {
                    party.oracle.forbids_beginning();
                }
            }
        }
    }

    /// Asks for every migration, each in its time.
    fn ask(&mut self, sim: &mut Sim<'_>, warm: Duration) {
        let mut order: Vec<usize> = (0..self.parties.len()).collect();
        order.sort_by_key(|index| self.parties[*index].workload.delay_ms);
        let first = self.parties[order[0]].workload.delay_ms;
        for index in order {
            let party = &self.parties[index];
            let at = warm + Duration::from_millis(party.workload.delay_ms - first);
            let migration = match self.plan.scenario.mistake {
                Some(mistake) => Mistake::migration(mistake, &party.workload),
                None => objects::migration(party.names, &party.workload),
            };
            let text = format!("{} asked for", party.names.migration());
            self.step_until(sim, at);
            self.cluster.create(migration);
            let writes = self.cluster.api.writes_of(FIELD_MANAGER);
            self.parties[index].asked = Some((sim.elapsed(), writes));
            self.note(sim, Lane::Run, text);
        }
    }

    /// Until every migration is over and every fault has ended; at most as long as all deadlines together after the last
    /// fault.
    fn converge(&mut self, sim: &mut Sim<'_>) {
        let patience = self.parties.iter().map(|party| party.workload.knobs.patience()).max();
        let patience = patience.unwrap_or_default() + CLEAN_UP;
        let mut calm_since = sim.elapsed();
        while sim.elapsed() < calm_since + patience {
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

    fn fall_silent(&mut self, sim: &mut Sim<'_>) {
        if self.parties.iter().any(|party| !party.is_over()) {
            return;
        }
        let calm = if self.plan.faults.is_empty() { Duration::ZERO } else { self.strikes.last() + AFTERMATH };
        self.step_until(sim, calm.max(sim.elapsed() + SETTLE));
        let activity = self.operator_activity();
        self.step_until(sim, sim.elapsed() + SILENCE);
        if self.operator_activity() != activity {
            let message = "the operator is still at it after the end, where nothing changes".to_owned();
            self.broke(sim, "Converges", message);
        }
    }

    /// Stops the publishers, and waits until everything that they published is consumed.
    fn drain(&mut self, sim: &mut Sim<'_>) {
        self.cluster.stop_traffic.send_replace(true);
        self.note(sim, Lane::Traffic, "publishers stop");
        let drained = self.until(sim, DRAIN, |drive| {
            let queues = drive.cluster.broker.queues();
            let is_drained = |party: &Party| {
                let name = party.names.queue();
                let mut own = queues.iter().filter(|queue| queue.name == name);
                // Where nobody is left to consume, whether that may be is the oracle's matter.
                let nobody = party.source(&drive.cluster).is_none() && party.target(&drive.cluster).is_none();
                nobody
                    || party.status.phase == Phase::Failed
                    || own.all(|queue| queue.ready + queue.unacked == 0)
            };
            drive.cluster.traffic.iter().all(|traffic| *traffic.finished.borrow())
                && drive.parties.iter().all(is_drained)
        });
        if !drained {
            self.broke(sim, "Converges", "a queue does not drain".to_owned());
        }
        // An ack is not its output's confirm: what is on its way arrives.
        self.step_until(sim, sim.elapsed() + Duration::from_secs(1));
    }

    fn conclude(&mut self, sim: &Sim<'_>) -> Verdict {
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
            verdict.beliefs = self.parties.iter().flat_map(|party| party.beliefs(&self.cluster)).collect();
        }
        verdict.migration =
            verdict.workloads.first().map(|first| first.migration.clone()).unwrap_or_default();
        if verdict.workloads.len() == 1 {
            verdict.workloads.clear();
        }
        verdict.timeline = std::mem::take(&mut self.timeline);
        verdict
    }

    pub(super) fn note(&mut self, sim: &Sim<'_>, lane: Lane, text: impl std::fmt::Display) {
        crate::trace!("run", "{text}");
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

    fn step_until(&mut self, sim: &mut Sim<'_>, end: Duration) {
        while sim.elapsed() < end {
            self.step(sim);
        }
    }

    fn step(&mut self, sim: &mut Sim<'_>) {
        self.cluster.machines.serve(sim);
        self.end_strikes(sim);
        if let Err(error) = sim.step() {
            self.broke(sim, "Converges", format!("a host failed: {error}"));
        }
        self.look(sim);
        self.strike_what_is_due(sim);
        let mut broken = false;
        for party in &mut self.parties {
            let before = party.oracle.violations().len();
            party.oracle.check(&self.cluster, &party.status, sim.elapsed());
            broken |= party.oracle.violations().len() > before;
        }
        if broken && self.verdict.beliefs.is_empty() {
            self.verdict.beliefs =
                self.parties.iter().flat_map(|party| party.beliefs(&self.cluster)).collect();
        }
    }

    /// Reads the objects' status when anything was written.
    fn look(&mut self, sim: &Sim<'_>) {
        let version = self.cluster.api.resource_version();
        if version == self.version {
            return;
        }
        self.version = version;
        let several = self.parties.len() > 1;
        let mut lines = Vec::new();
        for party in self.parties.iter_mut().filter(|party| party.asked.is_some()) {
            let Some(object) = party.object(&self.cluster) else {
                party.gone = true;
                continue;
            };
            let migration = serde_json::from_value::<StatefulMigration>(object).ok();
            let Some(status) = migration.and_then(|migration| migration.status) else { continue };
            if status == party.status {
                continue;
            }
            party.oracle.follow(&status, sim.elapsed());
            let old = std::mem::replace(&mut party.status, status);
            let name = if several { format!("{}: ", party.names.migration()) } else { String::new() };
            let told = narrate(&old, &party.status).into_iter();
            lines.extend(told.map(|(lane, text)| (lane, format!("{name}{text}"))));
        }
        for (lane, text) in lines {
            self.note(sim, lane, text);
        }
    }

    fn sources_consume(&self) -> bool {
        let queues = self.cluster.broker.queues();
        self.parties.iter().all(|party| {
            let name = party.names.queue();
            queues.iter().any(|queue| queue.name == name && !queue.consumers.is_empty())
        })
    }

    /// How often the operator wrote anything, and looked at a migration: every turn begins with that.
    fn operator_activity(&self) -> (u32, usize) {
        (self.cluster.api.writes_of(FIELD_MANAGER), self.cluster.api.gets_of("statefulmigrations"))
    }
}
