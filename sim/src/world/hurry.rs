//! Another migration of a pod, asked for by somebody who does not wait for the end of the first: it has to wait, and begins
//! only where the first has left the pod where it was. Of two that were asked for in the same second either may go first.

use std::time::Duration;

use ms2m::api::{Condition, Phase, StatefulMigration, StatefulMigrationStatus, condition, reason};
use serde::Deserialize as _;
use turmoil::Sim;

use super::{Names, cluster::Cluster, drive::Drive, objects, party::Party, rare};
use crate::report::Lane;

/// The second migration, as long as it is not the one that the run follows.
pub(super) struct Hurried {
    names: Names,
    /// When it is asked for.
    at: Duration,
    is_asked: bool,
    is_gone: bool,
    status: StatefulMigrationStatus,
}

impl Hurried {
    /// Of the migration with these names, which is asked for now.
    pub(super) fn after(names: Names, at: Duration) -> Self {
        let status = StatefulMigrationStatus::default();
        Self { names: names.next(false), at, is_asked: false, is_gone: false, status }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_asked && (self.is_gone || self.status.phase.is_terminal())
    }

    fn has_begun(&self) -> bool {
        self.status.phase != Phase::Pending && Phase::FORWARD.contains(&self.status.phase)
    }

    fn waits(&self) -> bool {
        let is_busy = |it: &Condition| it.type_ == condition::READY && it.reason == reason::SOURCE_BUSY;
        self.status.conditions.iter().any(is_busy)
    }

    fn follow(&mut self, cluster: &Cluster) -> Option<StatefulMigration> {
        let Some(object) = cluster.migration(self.names) else {
            self.is_gone = true;
            return None;
        };
        let migration = StatefulMigration::deserialize(&*object).ok()?;
        self.status = migration.status.clone().unwrap_or_default();
        Some(migration)
    }
}

impl Drive {
    /// Asks for each second migration in its time, and goes over to those that take the place of the first. True when one was
    /// asked for, or begins.
    pub(super) fn hurry(&mut self, sim: &Sim<'_>) -> bool {
        let mut began = false;
        for index in 0..self.parties.len() {
            let party = &mut self.parties[index];
            let Some(hurried) = party.hurried.as_mut() else { continue };
            let (names, is_over) = (hurried.names, hurried.status.phase.is_terminal());
            if !hurried.is_asked && sim.elapsed() >= hurried.at {
                hurried.is_asked = true;
                let migration = objects::migration(names, &self.cluster.source_pod(names), &party.workload);
                self.cluster.create(migration);
                self.note(sim, Lane::Run, format_args!("{} asked for", names.migration()));
                began = true;
            } else if hurried.is_asked && party.makes_way() {
                self.reach_at_the_end_of(index);
                self.parties[index].next_round(&self.cluster, names, sim.elapsed());
                self.reached.reach_if(!is_over, rare::HAD_ITS_TURN);
                began = true;
            }
        }
        began
    }

    /// Looks at the second migrations.
    pub(super) fn look_at_the_hurried(&mut self, sim: &Sim<'_>) {
        let (mut strangers, mut told) = (Vec::new(), Vec::new());
        for party in &mut self.parties {
            let (first, phase, makes_way) = (party.names.migration(), party.status.phase, party.makes_way());
            let yields =
                !has_touched_anything(&party.status) && party.is_as_old_as_the_hurried(&self.cluster);
            let Some(hurried) = party.hurried.as_mut().filter(|hurried| hurried.is_asked) else { continue };
            let waited = hurried.waits();
            let Some(migration) = hurried.follow(&self.cluster) else { continue };
            let is_kept_back = is_kept_back(&party.status) || is_kept_back(&hurried.status);
            self.reached.reach_if(is_kept_back, rare::LOOKED_AGAIN);
            strangers.extend(self.isolation.follow(hurried.names, &migration));
            if hurried.has_begun() && yields {
                party.goes_over();
                told.push((rare::WENT_FIRST, format!("{} goes before {first}", party.names.migration())));
                continue;
            }
            if hurried.has_begun() && !makes_way {
                strangers.push(format!("{} has begun while {first} is {phase:?}", hurried.names.migration()));
            }
            if hurried.waits() && !waited {
                told.push((rare::WAITED, format!("{} waits", hurried.names.migration())));
            }
        }
        for (point, text) in told {
            self.reached.reach(point);
            self.note(sim, Lane::Run, text);
        }
        if let Some(message) = strangers.into_iter().next() {
            self.broke_isolation(sim, message);
        }
    }
}

/// Whether a migration has passed its checks, and waits, or has given up, for another one.
fn is_kept_back(status: &StatefulMigrationStatus) -> bool {
    let is_busy = |it: &Condition| it.type_ == condition::READY && it.reason == reason::SOURCE_BUSY;
    status.source.is_some() && status.conditions.iter().any(is_busy)
}

/// Whether a migration has come further than to its checks.
fn has_touched_anything(status: &StatefulMigrationStatus) -> bool {
    status.phase_transitions.iter().any(|entered| entered.phase == Phase::Mirroring)
}

impl Party {
    /// Whether both were asked for in the same second: nobody can tell which was the first.
    fn is_as_old_as_the_hurried(&self, cluster: &Cluster) -> bool {
        let created = |names| {
            let object = cluster.migration(names)?;
            object["metadata"]["creationTimestamp"].as_str().map(str::to_owned)
        };
        let Some(hurried) = &self.hurried else { return false };
        created(self.names).is_some_and(|first| created(hurried.names) == Some(first))
    }

    /// The second goes first: the run follows that one, and the first is the one that waits.
    fn goes_over(&mut self) {
        self.forget_uid();
        let Some(hurried) = &mut self.hurried else { return };
        std::mem::swap(&mut self.names, &mut hurried.names);
        hurried.status = std::mem::take(&mut self.status);
        self.cancelled = false;
        self.oracle.goes_over_to(self.names);
    }

    /// Whether the first migration is over and has undone what it had done: the pod is where it was, or the one that its kubelet
    /// made of it when its process had died.
    fn makes_way(&self) -> bool {
        let status = &self.status;
        let is_undone = status.phase_transitions.iter().any(|entered| entered.phase == Phase::RollingBack);
        if status.phase.is_terminal() { is_undone } else { self.gone }
    }
}
