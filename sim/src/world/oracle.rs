use std::{collections::BTreeSet, time::Duration};

use ms2m::{
    api::{LABEL_MIGRATION_UID, Phase, StatefulMigrationStatus},
    protocol::table,
};
use ms2m_app::{Ledger, engine::Role};
use ms2m_counter::{CounterState, view};

use super::{Cluster, Container, counter::CounterMemory, objects};
use crate::{
    amqp::BindingView,
    report::{Verdict, Violation},
};

/// Checks the invariants of docs/protocol.md: some after every step, the others when all is over.
pub struct Oracle {
    violations: Vec<Violation>,
    bindings: Vec<BindingView>,
    phase: Phase,
    transitions: usize,
    /// Source containers that ran at the last step, and were not killed on purpose.
    sources: BTreeSet<String>,
    /// Whether a RAM was lost in a way that the protocol does not promise to survive.
    excused: Option<&'static str>,
    /// Whether a fault may make an output appear again, with the same identity.
    may_repeat_outputs: bool,
    point_of_no_return: Option<jiff::Timestamp>,
    /// The preflight has to refuse: nothing may be created.
    may_begin: bool,
}

impl Oracle {
    /// Begins to watch.
    pub fn new(cluster: &Cluster, may_repeat_outputs: bool) -> Self {
        Self {
            violations: Vec::new(),
            bindings: cluster.broker.bindings(),
            phase: Phase::Pending,
            transitions: 0,
            sources: BTreeSet::new(),
            excused: None,
            may_repeat_outputs,
            point_of_no_return: None,
            may_begin: true,
        }
    }

    /// From now on a migration that creates anything has begun what its preflight should have refused.
    pub fn forbids_beginning(&mut self) {
        self.may_begin = false;
    }

    /// Notes that a RAM is about to be lost as no protocol could prevent.
    pub fn excuse(&mut self, why: &'static str) {
        self.excused = Some(why);
    }

    /// Notes that a container is about to be killed on purpose.
    pub fn expects_death_of(&mut self, container_id: &str) {
        self.sources.remove(container_id);
    }

    /// What broke so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) fn broke(&mut self, at: Duration, invariant: &'static str, message: String) {
        // The first time tells; the same again at every step would hide the next.
        if self.violations.iter().all(|known| known.invariant != invariant) {
            let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            self.violations.push(Violation { invariant, at_ms, message });
        }
    }

    /// Checks what must hold at every instant.
    pub fn check(&mut self, cluster: &Cluster, at: Duration) {
        self.one_owner(cluster, at);
        self.no_early_kill(cluster, at);
        if !self.may_begin && cluster.broker.queues().iter().any(|queue| queue.name.contains(".ms2m.")) {
            self.broke(at, "PreflightFirst", "there is a replay queue".to_owned());
        }
    }

    fn one_owner(&mut self, cluster: &Cluster, at: Duration) {
        let owners: Vec<String> = {
            let state = cluster.machines.lock();
            let running = state.containers.values().filter(|container| container.runs());
            running.filter(|container| owns(container)).map(|container| container.host.clone()).collect()
        };
        if owners.len() > 1 {
            self.broke(at, "OneOwner", format!("{} own the queue", owners.join(" and ")));
        }
    }

    /// A source that is removed has nothing that the target lacks, and that is not in `Q`.
    fn no_early_kill(&mut self, cluster: &Cluster, at: Duration) {
        let (mut running, mut died) = (BTreeSet::new(), Vec::new());
        let mut target = Ledger::default();
        {
            let state = cluster.machines.lock();
            for (id, container) in &state.containers {
                let Some(memory) = memory(container) else { continue };
                if container.pod != objects::SOURCE {
                    if container.runs() {
                        target = memory.cell().look(|ram| ram.ledger().clone());
                    }
                } else if container.runs() {
                    running.insert(id.clone());
                } else if self.sources.contains(id) {
                    died.push((id.clone(), memory.cell().look(|ram| ram.ledger().clone())));
                }
            }
        }
        self.sources = running;
        for (id, ledger) in died {
            let waiting = cluster.broker.identities(objects::QUEUE);
            let lacks: Vec<_> = ledger_gaps(&target, &ledger)
                .into_iter()
                .filter(|(producer, seq)| !waiting.iter().any(|w| (&w.0, w.1) == (producer, *seq)))
                .collect();
            if !lacks.is_empty() {
                self.broke(at, "NoEarlyKill", format!("{id} was removed, and only it had {lacks:?}"));
            }
        }
    }

    /// Follows the object's status.
    pub fn follow(&mut self, status: &StatefulMigrationStatus, at: Duration) {
        for transition in status.phase_transitions.iter().skip(self.transitions.max(1)) {
            if !table::allows(self.phase, transition.phase) {
                self.broke(at, "PhaseMonotonic", format!("{:?} -> {:?}", self.phase, transition.phase));
            }
            self.phase = transition.phase;
        }
        self.transitions = status.phase_transitions.len();
        let point = status.handover.as_ref().and_then(|handover| handover.point_of_no_return);
        if self.point_of_no_return.is_some() && self.point_of_no_return != point {
            self.broke(at, "PhaseMonotonic", "the point of no return moved".to_owned());
        }
        self.point_of_no_return = point;
    }

    /// Checks what must hold when all is over, and puts the result into the verdict.
    pub fn conclude(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
        verdict: &mut Verdict,
    ) {
        self.clean_end(cluster, status, at);
        self.created_nothing(cluster, at);
        self.messages(cluster, at, verdict);
        self.outputs_once(cluster, at);
        verdict.excuse = self.excused;
        verdict.violations.clone_from(&self.violations);
    }

    fn messages(&mut self, cluster: &Cluster, at: Duration, verdict: &mut Verdict) {
        let record = cluster.record.snapshot();
        verdict.published = record.published();
        let survivor = {
            let state = cluster.machines.lock();
            let mut owners =
                state.containers.values().filter(|container| container.runs() && owns(container));
            owners.next().and_then(|container| memory(container).map(|memory| memory.cell().look(view)))
        };
        let Some(survivor) = survivor else {
            if self.excused.is_none() {
                self.broke(at, "NoLoss", "nobody owns the queue at the end".to_owned());
            }
            return;
        };
        verdict.applied = survivor.state.count;
        let comparison = ms2m_counter::verify::compare(&record, &survivor);
        verdict.lost = comparison.lost_count();
        verdict.duplicated = comparison.duplicated_count();
        verdict.reordered = comparison.reordered_count();
        if self.excused.is_some() {
            return;
        }
        if verdict.lost > 0 {
            self.broke(at, "NoLoss", comparison.to_string());
        }
        if verdict.duplicated > 0 {
            self.broke(at, "NoDuplicate", comparison.to_string());
        }
        if verdict.reordered > 0 {
            self.broke(at, "Order", comparison.to_string());
        }
        self.ram_preserved(cluster, &survivor.state, at);
    }

    /// The state at the end is the one that the first process began, continued and not restarted.
    fn ram_preserved(&mut self, cluster: &Cluster, survivor: &CounterState, at: Duration) {
        let first = {
            let state = cluster.machines.lock();
            let mut sources = state.containers.values().filter(|container| container.pod == objects::SOURCE);
            sources.next().and_then(|container| {
                memory(container).map(|m| m.cell().look(|ram| ram.state().incarnation.clone()))
            })
        };
        if first.as_ref() != Some(&survivor.incarnation) {
            let message = format!("the state was begun by {}, not by {first:?}", survivor.incarnation);
            self.broke(at, "RamPreserved", message);
        }
    }

    /// Every applied message has its output, once, or again with the same identity where a fault allows it.
    fn outputs_once(&mut self, cluster: &Cluster, at: Duration) {
        if self.excused.is_some() {
            return;
        }
        let outputs = cluster.broker.identities(objects::RESULTS);
        let once: BTreeSet<_> = outputs.iter().collect();
        if once.len() != outputs.len() && !self.may_repeat_outputs {
            self.broke(
                at,
                "OutputsOnce",
                format!("{} outputs were emitted again", outputs.len() - once.len()),
            );
        }
        let record = cluster.record.snapshot();
        let published = record
            .producers
            .iter()
            .flat_map(|(producer, of)| of.confirmed.keys().map(move |seq| (producer.clone(), *seq)));
        let missing: Vec<_> = published.filter(|id| !once.contains(id)).collect();
        if let Some(first) = missing.first() {
            let message = format!("no output of {} messages, {first:?} the first of them", missing.len());
            self.broke(at, "OutputsOnce", message);
        }
    }

    fn created_nothing(&mut self, cluster: &Cluster, at: Duration) {
        let writes = cluster.api.log_of_writes();
        let created = writes.iter().find(|write| {
            write.changed
                && write.manager == ms2m::api::FIELD_MANAGER
                && matches!(write.plural.as_str(), "pods" | "jobs" | "services")
        });
        if let Some(write) = created.filter(|_| !self.may_begin) {
            let message = format!("{:?} {} {}", write.verb, write.plural, write.name);
            self.broke(at, "PreflightFirst", message);
        }
    }

    fn clean_end(&mut self, cluster: &Cluster, status: &StatefulMigrationStatus, at: Duration) {
        // What a person needs to go on is kept, and the status says where it is.
        let kept = status.phase == Phase::Failed && status.cleanup.is_none();
        if kept || !status.phase.is_terminal() {
            return;
        }
        let mut left = Vec::new();
        for queue in cluster.broker.queues() {
            let control = queue.name.strip_prefix("ms2m.control.");
            let orphaned = control.is_some_and(|uid| !uids(cluster).contains(uid));
            if queue.name.contains(".ms2m.") || queue.name.starts_with("ms2m.replies.") || orphaned {
                left.push(format!("queue {}", queue.name));
            }
        }
        left.extend(names(cluster, "batch", "jobs").into_iter().map(|job| format!("job {job}")));
        if status.phase != Phase::Completed {
            left.extend(marked_pods(cluster).into_iter().map(|pod| format!("the mark of pod {pod}")));
        }
        {
            let state = cluster.machines.lock();
            left.extend(state.archives.keys().map(|(node, path)| format!("archive {path} on {node}")));
            if state.images.checkpoints() > 0 {
                left.push(format!("{} checkpoint images", state.images.checkpoints()));
            }
        }
        if cluster.broker.bindings() != self.bindings {
            left.push("bindings".to_owned());
        }
        if !left.is_empty() {
            self.broke(at, "CleanEnd", format!("left over: {}", left.join(", ")));
        }
    }
}

/// The counter's RAM in a container, if it runs the counter.
pub(super) fn memory(container: &Container) -> Option<&CounterMemory> {
    container.memory.as_any().downcast_ref()
}

/// Whether its process believes to own the queue and holds it. A copy whose RAM still names another pod than the one it
/// is in has not looked around yet: its connections are the source's, and dead, so it can do nothing with that belief.
fn owns(container: &Container) -> bool {
    memory(container).is_some_and(|memory| {
        memory.cell().look(|ram| {
            ram.role() == Role::Owner && ram.consumes_primary() && ram.pod_uid() == container.pod_uid
        })
    })
}

fn names(cluster: &Cluster, group: &str, plural: &str) -> Vec<String> {
    let objects = cluster.api.list(group, plural, objects::NAMESPACE);
    objects.iter().filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

/// Pods that some migration has marked as its own: the source, and the shadow.
fn marked_pods(cluster: &Cluster) -> Vec<String> {
    let mut pods = cluster.api.list("", "pods", objects::NAMESPACE);
    pods.retain(|pod| pod["metadata"]["labels"][LABEL_MIGRATION_UID].is_string());
    pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

fn uids(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.api.list("", "pods", objects::NAMESPACE);
    pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect()
}

/// What `theirs` has and `ours` lacks, one by one.
fn ledger_gaps(ours: &Ledger, theirs: &Ledger) -> Vec<(String, u64)> {
    let ranges = ours.missing_from(theirs, usize::MAX).into_iter();
    ranges
        .flat_map(|range| (range.first..=range.last).map(move |seq| (range.producer.clone(), seq)))
        .collect()
}
