use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ms2m::api::{Phase, StatefulMigrationStatus};
use ms2m_app::{
    Ledger,
    engine::{Ram, Role},
};
use ms2m_counter::CounterState;

use super::{Oracle, excuse::Excuse, memory, ownership::is_of, slipped::slipped_unseen};
use crate::world::{Cluster, Container};

/// Which processes live, which were killed on purpose, and what that excuses.
#[derive(Default)]
pub(super) struct Fates {
    alive: BTreeSet<String>,
    doomed: BTreeSet<String>,
    /// Those that were when the migration had its turn: what it has on record of its source may be older.
    doomed_before: BTreeSet<String>,
    /// Those whose pod is gone while they go on, and the pod's UID.
    abandoned: BTreeMap<String, String>,
    /// Something was lost in a way that the protocol does not promise to survive.
    lost: Option<Excuse>,
    /// A RAM was lost so, should the migration not complete.
    lost_unless_completed: Option<&'static str>,
    /// The session of a target that died when it owned the queue, and the migration did not know that yet.
    owned_unrecorded: Option<String>,
    /// The target died when it had taken over, and the migration knew that it had.
    owner_died: bool,
    /// The RAM that was to be migrated died.
    source_died: bool,
    /// The point of no return is passed, and was looked at.
    was_given_up: bool,
}

impl Fates {
    pub(super) fn doom(&mut self, container_id: &str) {
        self.doomed.insert(container_id.to_owned());
    }

    pub(super) fn abandon(&mut self, container_id: &str, pod_uid: &str) {
        self.abandoned.insert(container_id.to_owned(), pod_uid.to_owned());
    }

    /// Whether a process went on without its pod: what it declares then is nobody's to remove.
    pub(super) fn was_abandoned(&self, pod_uid: &str) -> bool {
        self.abandoned.values().any(|abandoned| abandoned == pod_uid)
    }

    /// What is lost and nobody's fault.
    pub(super) fn excuse(&self, status: &StatefulMigrationStatus) -> Option<Excuse> {
        let unless = self.lost_unless_completed.filter(|_| status.phase != Phase::Completed);
        Excuse::wider(self.lost, unless.map(Excuse::Ram))
    }

    fn lose(&mut self, what: Excuse) {
        self.lost = Excuse::wider(self.lost, Some(what));
    }

    pub(super) fn source_died(&self) -> bool {
        self.source_died
    }

    /// Whether the process that the migration has on record as its source had died before the migration had its turn.
    pub(super) fn source_had_died(&self, status: &StatefulMigrationStatus) -> bool {
        let source = status.source.as_ref().map(|source| source.container_id.as_str()).unwrap_or_default();
        self.doomed_before.iter().any(|id| source.ends_with(id))
    }

    /// The next migration begins: what its predecessor excused stays excused, because the state is the same one's.
    pub(super) fn next_round(&mut self, excused: Option<Excuse>) {
        self.lost = excused;
        self.lost_unless_completed = None;
        (self.source_died, self.was_given_up, self.owner_died) = (false, false, false);
        self.owned_unrecorded = None;
        self.doomed_before.clone_from(&self.doomed);
    }

    fn source_was_killed(&mut self, id: &str, status: &StatefulMigrationStatus, has_proven: bool) {
        let Some(source) = &status.source else {
            self.source_died = true;
            self.lose(Excuse::Ram("the workload crashed before its migration had begun"));
            return;
        };
        if status.phase.is_terminal() {
            self.lose(Excuse::Ram("the workload crashed after the end of its migration"));
        } else if source.container_id.ends_with(id) {
            self.source_died = true;
            let has_image = status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.image.is_some());
            if status.phase == Phase::RollingBack {
                self.lose(Excuse::Ram("the source died while the migration was rolled back to it"));
            } else if has_proven {
                self.lost_unless_completed = Some(
                    "the source died when it had shown its RAM, to have the migration rolled back to it",
                );
            } else if !has_image {
                self.lost_unless_completed = Some("the source died before an image existed");
            }
        }
    }

    fn target_was_killed(&mut self, status: &StatefulMigrationStatus, owned: bool) {
        self.owned_unrecorded = session(status).filter(|_| owned);
        if has_switched(status) {
            self.lose_the_owner();
        }
    }

    fn lose_the_owner(&mut self) {
        self.owner_died = true;
        self.lose(Excuse::Ram("the target died after it had taken over"));
    }

    /// What it said before it died is recorded later.
    fn lose_what_was_taken_over(&mut self, status: &StatefulMigrationStatus) {
        let switched = status.handover.as_ref().and_then(|handover| handover.switched_session.as_ref());
        if self.owned_unrecorded.is_some() && self.owned_unrecorded.as_ref() == switched {
            self.lose_the_owner();
        }
    }
}

fn has_switched(status: &StatefulMigrationStatus) -> bool {
    status.handover.as_ref().is_some_and(|handover| handover.switched_at.is_some())
}

fn has_replay_queue(cluster: &Cluster, status: &StatefulMigrationStatus) -> bool {
    let name = status.mirror.as_ref().map(|mirror| mirror.replay_queue.as_str());
    cluster.broker.queues().iter().any(|queue| Some(queue.name.as_str()) == name)
}

fn session(status: &StatefulMigrationStatus) -> Option<String> {
    status.target.as_ref()?.session.clone()
}

impl Oracle {
    /// A source that is removed has nothing that the target lacks, and that is not in `Q`.
    pub(super) fn deaths(&mut self, cluster: &Cluster, status: &StatefulMigrationStatus, at: Duration) {
        let (mut alive, mut died) = (BTreeSet::new(), Vec::new());
        let mut target = Ledger::default();
        {
            let state = cluster.machines.lock();
            let mut of_target = None;
            // Most that ever ran ended long ago, and have been judged.
            let matters = |id: &String, c: &Container| c.runs() || self.fates.alive.contains(id);
            let ours = |(id, c): &(&String, &Container)| matters(id, c) && is_of(c, self.names);
            for (id, container) in state.containers.iter().filter(ours) {
                let Some(memory) = memory(container) else { continue };
                let is_source = self.names.is_source(&container.pod);
                if container.runs() && !self.fates.abandoned.contains_key(id) {
                    alive.insert(id.clone());
                    if !is_source {
                        of_target = Some(memory);
                    }
                } else if self.fates.alive.contains(id) {
                    let (ledger, role) = memory.cell().look(|ram| (ram.ledger().clone(), ram.role()));
                    died.push((id.clone(), is_source, ledger, role == Role::Owner));
                }
            }
            // Nobody asks for it at a step at which nobody died, which is nearly every one.
            if let Some(memory) = of_target.filter(|_| !died.is_empty()) {
                target = memory.cell().look(|ram| ram.ledger().clone());
            }
        }
        self.fates.alive = alive;
        self.fates.lose_what_was_taken_over(status);
        let has_proven = !died.is_empty() && self.has_proven(cluster, status);
        // What the death of a target excuses, it excuses of a source that goes at the same moment.
        died.sort_by_key(|(_, is_source, ..)| *is_source);
        for (id, is_source, ledger, owned) in died {
            match (self.fates.doomed.contains(&id), is_source) {
                (true, true) => self.fates.source_was_killed(&id, status, has_proven),
                (true, false) => self.fates.target_was_killed(status, owned),
                (false, true) => self.no_early_kill(cluster, status, (&id, &ledger), &target, at),
                (false, false) => {}
            }
        }
    }

    /// Whether the source has shown its RAM since the migration was given up. What it says then is true when it says it, and
    /// nobody can know that it has died since.
    fn has_proven(&self, cluster: &Cluster, status: &StatefulMigrationStatus) -> bool {
        let (Some(source), Some(nonce), Some(since)) = (&status.source, &status.nonce, self.gave_up_at)
        else {
            return false;
        };
        let proof = format!("\"nonce\":\"{nonce}\"");
        let letters = cluster.broker.letters();
        letters.iter().any(|letter| {
            letter.from == source.uid
                && letter.word == "PROBED"
                && Duration::from_millis(letter.at_ms) >= since
                && letter.text.contains(&proof)
        })
    }

    /// From the point of no return on, the source may go: a process of the target has everything by then that it has.
    pub(super) fn given_up_late(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
    ) {
        let passed = status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some());
        if !passed || self.fates.was_given_up {
            return;
        }
        self.fates.was_given_up = true;
        let Some(theirs) = of_the_source(cluster, status) else { return };
        let mut targets = ledgers(cluster, |_, container| container.pod == self.names.shadow());
        // Where there is no process at all, nobody has anything.
        targets.push(Ledger::default());
        let lacks = targets.iter().map(|target| ledger_gaps(target, &theirs));
        let Some(mut fewest) = lacks.min_by_key(Vec::len).filter(|lacks| !lacks.is_empty()) else { return };
        fewest = self.but_for_slipped(cluster, status, fewest);
        if !fewest.is_empty() {
            let message = format_args!("the source is given up, and the target lacks {fewest:?}");
            self.broke(at, "NoEarlyKill", message);
        }
    }

    /// Where messages go past the replay queue, a source that says nothing any more takes with it what they did, and so does the
    /// process that its pod begins afresh: takes them out of what is lacked, and excuses them.
    fn but_for_slipped(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        lacks: Vec<(String, u64)>,
    ) -> Vec<(String, u64)> {
        let is_silent = status.handover.as_ref().is_some_and(|handover| handover.stopped.is_none());
        if !self.permits.may_leave_a_gap() || !is_silent {
            return lacks;
        }
        let (mut unseen, seen): (Vec<_>, Vec<_>) =
            lacks.into_iter().partition(|lacked| slipped_unseen(cluster, status, lacked));
        // What the source had not acked comes out of Q.
        let waiting = cluster.broker.identities(&self.names.queue());
        unseen.retain(|lacked| !waiting.contains(lacked));
        if !unseen.is_empty() {
            self.fates.lose(Excuse::Messages(
                "messages went past the replay queue, only a source that is gone had them, and nothing showed it",
            ));
        }
        seen
    }

    fn no_early_kill(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        (id, ledger): (&str, &Ledger),
        target: &Ledger,
        at: Duration,
    ) {
        // The source goes because the target has taken over, and nobody can know that the target has died since; it is made again
        // from the image and the replay queue, if nobody else has deleted that.
        let was_deleted = || self.permits.may_lose_the_replay_queue() && !has_replay_queue(cluster, status);
        if self.fates.owner_died && was_deleted() {
            return;
        }
        let mut waiting: BTreeSet<_> = cluster.broker.identities(&self.names.queue()).into_iter().collect();
        let mut known = target.clone();
        if target.is_empty() {
            // A target that has died is made again from the image, and reads the replay queue anew.
            let replay = format!("{}.ms2m.", self.names.queue());
            for queue in cluster.broker.queues().iter().filter(|queue| queue.name.starts_with(&replay)) {
                waiting.extend(cluster.broker.identities(&queue.name));
            }
            known = checkpointed(cluster, status).unwrap_or_default();
        }
        let mut lacks = ledger_gaps(&known, ledger);
        lacks.retain(|identity| !waiting.contains(identity));
        let lacks = self.but_for_slipped(cluster, status, lacks);
        if !lacks.is_empty() {
            self.broke(at, "NoEarlyKill", format_args!("{id} was removed, and only it had {lacks:?}"));
        }
    }
}

/// What the migration's checkpoint image contains, if there is one.
pub(super) fn checkpointed(cluster: &Cluster, status: &StatefulMigrationStatus) -> Option<Ledger> {
    let digest = status.checkpoint.as_ref()?.image_digest.as_deref()?;
    let state = cluster.machines.lock();
    let archive = state.checkpoint_image(digest)?.archive;
    archive.snapshot.downcast_ref::<Ram<CounterState>>().map(|ram| ram.ledger().clone())
}

/// What the process that was to be migrated contains, or contained when it died.
pub(super) fn of_the_source(cluster: &Cluster, status: &StatefulMigrationStatus) -> Option<Ledger> {
    let source = status.source.as_ref()?;
    ledgers(cluster, |id, _| source.container_id.ends_with(id)).pop()
}

fn ledgers(cluster: &Cluster, is_meant: impl Fn(&str, &Container) -> bool) -> Vec<Ledger> {
    let state = cluster.machines.lock();
    let meant = state.containers.iter().filter(|(id, container)| is_meant(id, container));
    meant.filter_map(|(_, c)| memory(c).map(|m| m.cell().look(|ram| ram.ledger().clone()))).collect()
}

/// What `theirs` has and `ours` lacks, one by one.
pub(super) fn ledger_gaps(ours: &Ledger, theirs: &Ledger) -> Vec<(String, u64)> {
    let ranges = ours.missing_from(theirs, usize::MAX).into_iter();
    ranges
        .flat_map(|range| (range.first..=range.last).map(move |seq| (range.producer.clone(), seq)))
        .collect()
}
