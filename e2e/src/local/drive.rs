//! One migration under traffic, watched from outside.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher},
};
use ms2m::api::{Phase, StatefulMigration, StatefulMigrationStatus};
use ms2m_app::{OverlongName, io::OsEntropy};
use ms2m_counter::{
    StateView,
    traffic::{SharedRecord, TrafficConfig, Until, run_traffic},
};
use ms2m_sim::report::{Lane, MigrationReport, OperatorReport, Timeline, Verdict, Violation, narrate};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep},
};

use super::{Options, cluster::NODES, evidence, objects, servers, world::World};
use crate::process::{Process, patiently};

/// All publishers, until they are told to stop.
type Publishing = JoinHandle<Result<(), OverlongName>>;

/// How long the workload may take to start, and to catch up in the end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the migration may take.
const MIGRATION: Duration = Duration::from_mins(3);
/// How soon after the end the operator should have fallen silent.
const SETTLE: Duration = Duration::from_secs(1);

/// A run under way.
pub(super) struct Drive<'a> {
    world: &'a World,
    options: &'a Options,
    began: Instant,
    timeline: Timeline,
    status: StatefulMigrationStatus,
    record: SharedRecord,
    violations: Vec<Violation>,
    /// The source's RAM was lost before an image of it existed: what it had acked is gone, and nobody promises otherwise.
    ram_lost: Option<&'static str>,
}

impl<'a> Drive<'a> {
    pub(super) fn new(world: &'a World, options: &'a Options) -> Self {
        Self {
            world,
            options,
            began: Instant::now(),
            timeline: Timeline::default(),
            status: StatefulMigrationStatus::default(),
            record: SharedRecord::default(),
            violations: Vec::new(),
            ram_lost: None,
        }
    }

    fn note(&mut self, lane: Lane, text: impl std::fmt::Display) {
        self.timeline.note(self.began.elapsed(), lane, text);
    }

    pub(super) fn broke(&mut self, invariant: &'static str, message: String) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.violations.push(Violation { invariant, at_ms, message });
    }

    /// Runs it.
    pub(super) async fn run(&mut self) -> anyhow::Result<Verdict> {
        let first = self.owner(objects::SOURCE).await?;
        self.note(Lane::App, format_args!("counter consumes {} on {}", objects::QUEUE, NODES[0]));
        let mut operator = self.world.start_operator()?;
        let (stop, traffic) = self.start_traffic()?;
        sleep(self.options.warm_up()).await;
        self.world.cluster.create(objects::migration()).await?;
        self.note(Lane::Run, format_args!("migration asked for: {} to {}", objects::SOURCE, NODES[1]));
        self.migrate(&mut operator).await.with_context(|| operator.log_tail())?;
        let operator = self.watch_silence(&operator).await?;
        // Nobody listens any more when the traffic ended by itself, which it does not.
        let _ = stop.send(());
        traffic.await??;
        self.note(Lane::Traffic, "publishers stop");
        let mut verdict = self.conclude(&first).await?;
        verdict.operator = Some(operator);
        Ok(verdict)
    }

    /// Lets messages flow on, and counts what the operator still does about a migration that is over.
    async fn watch_silence(&self, operator: &Process) -> anyhow::Result<OperatorReport> {
        // The last write comes back to it by its watch once more.
        sleep(SETTLE).await;
        let looks = || self.world.cluster.looks_at_migrations();
        let (before, silence) = (looks().await?, self.options.warm_up());
        sleep(silence).await;
        let after = looks().await?;
        Ok(OperatorReport {
            resident_max_kib: operator.resident_max_kib()?,
            looks_after_the_end: after - before,
            silence_ms: u64::try_from(silence.as_millis())?,
        })
    }

    fn start_traffic(&self) -> anyhow::Result<(oneshot::Sender<()>, Publishing)> {
        let config = TrafficConfig {
            uri: servers::amqp_url().parse().map_err(anyhow::Error::msg)?,
            exchange: objects::EXCHANGE.to_owned(),
            routing_keys: vec![objects::ROUTING_KEY.to_owned()],
            headers: Default::default(),
            producers: self.options.producers,
            rate: self.options.rate,
            padding: 0,
            until: Until::Stopped,
        };
        let (stop, stopped) = oneshot::channel();
        let (dial, record) = (self.world.dial.clone(), self.record.clone());
        let traffic = spawn_local(async move {
            let stopped = async move { drop(stopped.await) };
            run_traffic(config, dial, std::sync::Arc::new(OsEntropy), record, stopped).await
        });
        Ok((stop, traffic))
    }

    /// Follows the object until it is over; breaks what is to be broken on the way.
    async fn migrate(&mut self, operator: &mut Process) -> anyhow::Result<()> {
        let api: Api<StatefulMigration> =
            Api::namespaced(self.world.cluster.client.clone(), objects::NAMESPACE);
        let only =
            watcher::Config::default().fields(&format!("metadata.name={}", objects::MIGRATION)).timeout(25);
        let mut changes = Box::pin(watcher(api, only).default_backoff().applied_objects());
        let end = Instant::now() + MIGRATION;
        let (mut operator_falls, mut source_falls) =
            (self.options.kill_operator_at, self.options.kill_source_at);
        while !self.status.phase.is_terminal() {
            let change = tokio::select! {
                change = changes.next() => change.context("the watch ended")?,
                () = tokio::time::sleep_until(end) => {
                    bail!("the migration is still in {:?} after {} s", self.status.phase, MIGRATION.as_secs())
                }
                ended = operator.ended() => {
                    ended?;
                    bail!("the operator has ended")
                }
            };
            // A watch that broke is opened again by the watcher itself.
            let Ok(change) = change else { continue };
            let Some(status) = change.status else { continue };
            for (lane, text) in narrate(&self.status, &status) {
                self.note(lane, text);
            }
            self.status = status;
            let due = |at: &mut Option<Phase>| at.take_if(|phase| *phase == self.status.phase).is_some();
            let (operator_is_due, source_is_due) = (due(&mut operator_falls), due(&mut source_falls));
            if operator_is_due {
                let killed = std::mem::replace(operator, self.world.start_operator()?);
                killed.kill().await?;
                self.note(Lane::Fault, "operator killed, and started again");
            }
            if source_is_due {
                self.kill_source().await?;
            }
        }
        Ok(())
    }

    async fn kill_source(&mut self) -> anyhow::Result<()> {
        let image = self.status.checkpoint.as_ref().and_then(|checkpoint| checkpoint.image.as_ref());
        // Past the archive the migration goes forward without it; the image is pushed from the archive.
        let archive = self.status.checkpoint.as_ref().and_then(|checkpoint| checkpoint.archive.as_ref());
        self.ram_lost =
            (image.is_none() && archive.is_none()).then_some("the source died before an image of it existed");
        let container = self.world.cluster.container_id(objects::SOURCE).await?;
        self.world.cluster.kill(NODES[0], &container).await?;
        self.note(Lane::Fault, "source killed");
        Ok(())
    }

    /// Waits until a pod's counter owns the queue; what it says then.
    async fn owner(&self, pod: &str) -> anyhow::Result<StateView> {
        patiently(PATIENCE, &format!("the owner in pod {pod}"), async || {
            let state = evidence::state_of(&self.world.cluster, pod).await?;
            if !state.consumes {
                bail!("it does not consume the queue");
            }
            Ok(state)
        })
        .await
    }

    async fn conclude(&mut self, first: &StateView) -> anyhow::Result<Verdict> {
        let pod = match self.status.phase {
            Phase::Completed => format!("{}-shadow", objects::SOURCE),
            _ => objects::SOURCE.to_owned(),
        };
        let published = self.record.published();
        let survivor = if self.ram_lost.is_some() {
            self.owner(&pod).await?
        } else {
            patiently(PATIENCE, "the last message", async || {
                let state = evidence::state_of(&self.world.cluster, &pod).await?;
                if state.state.count < published {
                    bail!("{} of {published} messages are applied", state.state.count);
                }
                Ok(state)
            })
            .await
            // What is missing then is what the comparison is about to say.
            .or(evidence::state_of(&self.world.cluster, &pod).await)?
        };
        let comparison = ms2m_counter::verify::compare(&self.record.snapshot(), &survivor);
        let repeats_allowed =
            self.options.kill_operator_at.is_some() || self.options.kill_source_at.is_some();
        if self.ram_lost.is_none() {
            self.check_messages(&comparison, first, &survivor);
            if let Some(message) = evidence::outputs(self.world, &self.record, repeats_allowed).await? {
                self.broke("OutputsOnce", message);
            }
        }
        if let Some(message) = evidence::leftovers(self.world).await? {
            self.broke("CleanEnd", message);
        }
        Ok(Verdict {
            migration: MigrationReport::from(&self.status),
            faults: self.fault().into_iter().collect(),
            published,
            applied: survivor.state.count,
            lost: comparison.lost_count(),
            duplicated: comparison.duplicated_count(),
            reordered: comparison.reordered_count(),
            violations: self.violations.clone(),
            excuse: self.ram_lost,
            wall_ms: u64::try_from(self.began.elapsed().as_millis())?,
            timeline: self.timeline.clone(),
            ..Verdict::default()
        })
    }

    fn check_messages(
        &mut self,
        comparison: &ms2m_counter::verify::Comparison,
        first: &StateView,
        survivor: &StateView,
    ) {
        for (invariant, count) in [
            ("NoLoss", comparison.lost_count()),
            ("NoDuplicate", comparison.duplicated_count()),
            ("Order", comparison.reordered_count()),
        ] {
            if count > 0 {
                self.broke(invariant, comparison.to_string());
            }
        }
        if first.state.incarnation != survivor.state.incarnation {
            let message = format!(
                "the state was begun by {}, not by {}",
                survivor.state.incarnation, first.state.incarnation
            );
            self.broke("RamPreserved", message);
        }
        if self.status.phase != Phase::Completed {
            self.broke("Converges", format!("the migration ended as {:?}", self.status.phase));
        }
    }

    fn fault(&self) -> Option<String> {
        let operator = self.options.kill_operator_at.map(|phase| format!("kill-operator@{phase:?}"));
        let source = self.options.kill_source_at.map(|phase| format!("kill-source@{phase:?}"));
        let all: Vec<String> = operator.into_iter().chain(source).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}
