//! Another migration of a pod, asked for by somebody who does not wait for the end of the first: it has to wait, and begins
//! only where the first has left the pod where it was.

use std::time::Duration;

use ms2m::api::{Phase, StatefulMigration, StatefulMigrationStatus, condition, reason};
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
        let is_busy =
            |it: &ms2m::api::Condition| it.type_ == condition::READY && it.reason == reason::SOURCE_BUSY;
        self.status.conditions.iter().any(is_busy)
    }

    fn follow(&mut self, cluster: &Cluster) -> Option<StatefulMigration> {
        let Some(object) = cluster.migration(self.names) else {
            self.is_gone = true;
            return None;
        };
        let migration: StatefulMigration = serde_json::from_value(object).ok()?;
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
            if !hurried.is_asked && sim.elapsed() >= hurried.at {
                hurried.is_asked = true;
                let names = hurried.names;
                let migration = objects::migration(names, &self.cluster.source_pod(names), &party.workload);
                self.cluster.create(migration);
                self.note(sim, Lane::Run, format_args!("{} asked for", names.migration()));
                began = true;
            } else if hurried.is_asked && party.makes_way() {
                self.reach_at_the_end_of(index);
                self.parties[index].next_round(&self.cluster, sim.elapsed());
                self.reached.reach(rare::HAD_ITS_TURN);
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
            let Some(hurried) = party.hurried.as_mut().filter(|hurried| hurried.is_asked) else { continue };
            let waited = hurried.waits();
            let Some(migration) = hurried.follow(&self.cluster) else { continue };
            strangers.extend(self.isolation.follow(hurried.names, &migration));
            if hurried.has_begun() && !makes_way {
                strangers.push(format!("{} has begun while {first} is {phase:?}", hurried.names.migration()));
            }
            if hurried.waits() && !waited {
                told.push(format!("{} waits", hurried.names.migration()));
            }
        }
        for text in told {
            self.reached.reach(rare::WAITED);
            self.note(sim, Lane::Run, text);
        }
        if let Some(message) = strangers.into_iter().next() {
            self.broke_isolation(sim, message);
        }
    }
}

impl Party {
    /// Whether the first migration is over and has undone what it had done: the pod is where it was, or the one that its kubelet
    /// made of it when its process had died.
    fn makes_way(&self) -> bool {
        let status = &self.status;
        let is_undone = status.phase_transitions.iter().any(|entered| entered.phase == Phase::RollingBack);
        if status.phase.is_terminal() { is_undone } else { self.gone }
    }
}
