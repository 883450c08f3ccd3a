use std::time::Duration;

use ms2m::api::{Phase, StatefulMigration, StatefulMigrationStatus};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use turmoil::Sim;

use super::{Cluster, Fault, Mistake, Oracle, Scenario, objects};
use crate::{
    apiserver::RequestRecord,
    determinism::{self, TraceLayer, wall_clock},
    network,
    report::{Lane, MigrationReport, Timeline, Verdict, narrate},
};

/// How long the migration may take after it was asked for; above every deadline, retry and heartbeat together.
const PATIENCE: Duration = Duration::from_mins(7);
/// How long the workload may take to catch up after the traffic has stopped.
const DRAIN: Duration = Duration::from_mins(5);
/// How long the run goes on after the end, to see that the operator has fallen silent.
const SILENCE: Duration = Duration::from_secs(8);
/// How soon a killed process or broker is started again.
const DOWN: Duration = Duration::from_millis(700);

/// Runs a scenario to its end, on a thread of its own, and says what it proved.
pub fn run(scenario: &Scenario) -> Verdict {
    let scenario = scenario.clone();
    let seed = scenario.seed;
    determinism::run(seed, move || {
        let began = wall_clock();
        let log = tracing_subscriber::registry().with(TraceLayer::new(Level::DEBUG));
        let _log = tracing::subscriber::set_default(log);
        let cluster = Cluster::new(&scenario);
        let mut sim = network::sim_builder(seed).build();
        cluster.populate(&mut sim, &scenario);
        let mut drive = Drive::new(&scenario, cluster);
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

struct Drive {
    scenario: Scenario,
    cluster: Cluster,
    oracle: Oracle,
    timeline: Timeline,
    version: u64,
    status: StatefulMigrationStatus,
    /// The fault still has to strike.
    fault: Option<Fault>,
    /// What is down, and when it comes back.
    down: Option<(&'static str, Duration)>,
}

impl Drive {
    fn new(scenario: &Scenario, cluster: Cluster) -> Self {
        let oracle = Oracle::new(&cluster, scenario.fault.is_some());
        Self {
            scenario: scenario.clone(),
            cluster,
            oracle,
            timeline: Timeline::default(),
            version: 0,
            status: StatefulMigrationStatus::default(),
            fault: scenario.fault,
            down: None,
        }
    }

    fn run(&mut self, sim: &mut Sim<'_>) -> Verdict {
        self.prepare();
        let ready = self.until(sim, Duration::from_mins(1), Self::source_consumes);
        if !ready {
            self.oracle.broke(sim.elapsed(), "Converges", "the workload does not start".to_owned());
            return self.verdict(sim);
        }
        self.note(sim, Lane::App, "counter consumes orders on node-1");
        let warm = sim.elapsed() + self.scenario.warm_up;
        self.step_until(sim, warm);
        let migration = self.scenario.mistake.map_or_else(objects::migration, Mistake::migration);
        self.cluster.api.create(migration).expect("the scenario's own objects are valid");
        self.note(sim, Lane::Run, "migration asked for: counter to node-2");
        let over = self.until(sim, PATIENCE, |drive| drive.status.phase.is_terminal());
        if !over {
            let message = format!("still {:?} after {} s", self.status.phase, PATIENCE.as_secs());
            self.oracle.broke(sim.elapsed(), "Converges", message);
        }
        self.step_until(sim, sim.elapsed() + SILENCE / 2);
        let activity = self.operator_activity();
        self.step_until(sim, sim.elapsed() + SILENCE / 2);
        if over && self.operator_activity() != activity {
            let message = "the operator is still at it after the end, where nothing changes".to_owned();
            self.oracle.broke(sim.elapsed(), "Converges", message);
        }
        self.drain(sim);
        self.verdict(sim)
    }

    /// Faults that are set before anything begins.
    fn prepare(&mut self) {
        let mut machines = self.cluster.machines.lock();
        match self.fault {
            Some(Fault::FailCheckpoints(times)) => machines.checkpoint_failures = times,
            Some(Fault::RestoreFresh) => machines.restores_fresh = true,
            _ => {}
        }
        drop(machines);
        if let Some(mistake) = self.scenario.mistake {
            mistake.prepare(&self.cluster);
            if mistake.shows_before_the_start() {
                self.oracle.forbids_beginning();
            }
        }
    }

    /// Stops the publishers, and waits until everything that they published is consumed.
    fn drain(&mut self, sim: &mut Sim<'_>) {
        self.cluster.stop_traffic.send_replace(true);
        self.note(sim, Lane::Traffic, "publishers stop");
        let drained = self.until(sim, DRAIN, |drive| {
            let idle = |queue: &crate::amqp::QueueSnapshot| queue.ready + queue.unacked == 0;
            let queues = drive.cluster.broker.queues();
            *drive.cluster.finished.borrow() && queues.iter().filter(|q| q.name == objects::QUEUE).all(idle)
        });
        if !drained && self.status.phase != Phase::Failed {
            self.oracle.broke(sim.elapsed(), "Converges", "the queue does not drain".to_owned());
        }
    }

    fn verdict(&mut self, sim: &Sim<'_>) -> Verdict {
        let mut verdict = Verdict {
            seed: Some(self.scenario.seed),
            migration: MigrationReport::from(&self.status),
            fault: self.scenario.fault.map(|fault| fault.to_string()),
            timeline: self.timeline.clone(),
            ..Verdict::default()
        };
        self.oracle.conclude(&self.cluster, &self.status, sim.elapsed(), &mut verdict);
        verdict
    }

    fn note(&mut self, sim: &Sim<'_>, lane: Lane, text: impl std::fmt::Display) {
        crate::trace!("run", "{text}");
        self.timeline.note(sim.elapsed(), lane, text);
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
        if let Some((host, at)) = self.down
            && sim.elapsed() >= at
        {
            self.down = None;
            network::bounce(sim, host);
            self.note(sim, Lane::Fault, format_args!("{host} is back"));
        }
        if let Err(error) = sim.step() {
            self.oracle.broke(sim.elapsed(), "Converges", format!("a host failed: {error}"));
        }
        self.look(sim);
        self.strike(sim);
        self.oracle.check(&self.cluster, sim.elapsed());
    }

    /// Reads the object's status when anything was written.
    fn look(&mut self, sim: &Sim<'_>) {
        let version = self.cluster.api.resource_version();
        if version == self.version {
            return;
        }
        self.version = version;
        let object = self.cluster.api.get(
            "migration.ms2m.io",
            "statefulmigrations",
            objects::NAMESPACE,
            objects::MIGRATION,
        );
        let migration = object.and_then(|object| serde_json::from_value::<StatefulMigration>(object).ok());
        let Some(status) = migration.and_then(|migration| migration.status) else { return };
        self.oracle.follow(&status, sim.elapsed());
        let old = std::mem::replace(&mut self.status, status);
        for (lane, text) in narrate(&old, &self.status) {
            self.note(sim, lane, text);
        }
    }

    fn source_consumes(&self) -> bool {
        let queues = self.cluster.broker.queues();
        queues.iter().any(|queue| queue.name == objects::QUEUE && !queue.consumers.is_empty())
    }

    /// How often the operator wrote anything, and looked at the migration: every turn begins with that.
    fn operator_activity(&self) -> (usize, usize) {
        let writes = self.cluster.api.log_of_writes();
        let own = |write: &&RequestRecord| write.manager == ms2m::api::FIELD_MANAGER;
        (writes.iter().filter(own).count(), self.cluster.api.looks_at("statefulmigrations"))
    }

    /// Breaks what is to be broken, when its moment has come.
    fn strike(&mut self, sim: &mut Sim<'_>) {
        let Some(fault) = self.fault else { return };
        let passed =
            self.status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some());
        let due = match fault {
            Fault::KillOperator(phase) | Fault::KillSource(phase) | Fault::RestartBroker(phase) => {
                self.is_migrating() && self.status.phase == phase
            }
            Fault::KillTarget(phase) => self.status.phase == phase && !passed && self.target().is_some(),
            Fault::KillTargetAfterPointOfNoReturn => passed && self.target().is_some(),
            Fault::FailCheckpoints(_) | Fault::RestoreFresh | Fault::Overload => false,
        };
        if !due {
            return;
        }
        self.fault = None;
        self.note(sim, Lane::Fault, fault);
        match fault {
            Fault::KillOperator(_) => self.take_down(sim, "operator"),
            Fault::RestartBroker(_) => self.take_down(sim, "rabbitmq"),
            Fault::KillSource(_) => {
                if !self.has_image() {
                    self.oracle.excuse("the source died before an image existed");
                }
                self.kill(sim, self.source());
            }
            _ => {
                if self.status.handover.as_ref().is_some_and(|handover| handover.switched_at.is_some()) {
                    self.oracle.excuse("the target died after it had taken over");
                }
                self.kill(sim, self.target());
            }
        }
    }

    fn take_down(&mut self, sim: &mut Sim<'_>, host: &'static str) {
        network::crash(sim, host);
        self.down = Some((host, sim.elapsed() + DOWN));
    }

    fn kill(&mut self, sim: &mut Sim<'_>, container: Option<String>) {
        if let Some(container) = container {
            self.oracle.expects_death_of(&container);
            self.cluster.machines.kill(sim, &container, 137);
        }
    }

    fn is_migrating(&self) -> bool {
        !self.status.phase_transitions.is_empty()
    }

    fn has_image(&self) -> bool {
        self.status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.image.is_some())
    }

    fn source(&self) -> Option<String> {
        self.running(objects::SOURCE)
    }

    fn target(&self) -> Option<String> {
        self.running(&ms2m::protocol::names::shadow_pod(objects::SOURCE))
    }

    fn running(&self, pod: &str) -> Option<String> {
        let state = self.cluster.machines.lock();
        let mut running =
            state.containers.iter().filter(|(_, container)| container.pod == pod && container.runs());
        running.next().map(|(id, _)| id.clone())
    }
}
