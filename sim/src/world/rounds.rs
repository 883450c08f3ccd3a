//! A workload's migrations, one after the other: each is asked for when the last is over.

use std::time::Duration;

use ms2m::api::{Phase, StatefulMigrationStatus};
use turmoil::Sim;

use super::{Mistake, Names, drive::Drive, hurry::Hurried, objects, party::Party};
use crate::report::Lane;

impl Drive {
    /// Asks for every workload's first migration, each in its time.
    pub(super) fn ask(&mut self, sim: &mut Sim<'_>, warm: Duration) {
        let mut order: Vec<usize> = (0..self.parties.len()).collect();
        order.sort_by_key(|index| self.parties[*index].workload.delay_ms);
        let first = self.parties[order[0]].workload.delay_ms;
        for index in order {
            let at = warm + Duration::from_millis(self.parties[index].workload.delay_ms - first);
            while sim.elapsed() < at {
                self.step(sim);
                self.hurry(sim);
            }
            self.ask_for(sim, index);
        }
    }

    fn ask_for(&mut self, sim: &Sim<'_>, index: usize) {
        let party = &self.parties[index];
        let migration = match self.plan.scenario.mistake {
            Some(mistake) => Mistake::migration(mistake, &party.workload),
            None => objects::migration(party.names, &self.cluster.source_pod(party.names), &party.workload),
        };
        let text = format!("{} asked for", party.names.migration());
        self.cluster.create(migration);
        let party = &mut self.parties[index];
        party.asked = Some(self.cluster.counts());
        let hurry = party.workload.hurry_ms.map(Duration::from_millis);
        party.hurried = hurry.map(|after| Hurried::after(party.names, sim.elapsed() + after));
        self.note(sim, Lane::Run, text);
    }

    /// Where a migration is over and its workload is to be moved again, begins with that. True when one has begun.
    pub(super) fn go_on(&mut self, sim: &Sim<'_>) -> bool {
        let mut began = self.hurry(sim);
        for index in 0..self.parties.len() {
            if self.parties[index].goes_on(&self.cluster) {
                self.reach_at_the_end_of(index);
                let party = &mut self.parties[index];
                let names = party.names.next(party.status.phase == Phase::Completed);
                party.next_round(&self.cluster, names, sim.elapsed());
                self.ask_for(sim, index);
                began = true;
            }
        }
        began
    }
}

impl Party {
    /// Whether a migration is over, another is to come, and there is a pod to be moved.
    fn goes_on(&self, cluster: &super::Cluster) -> bool {
        let more = self.names.round + 1 < self.workload.rounds;
        let moved = match self.status.phase {
            Phase::Completed => true,
            // A person has to see to it first.
            Phase::Failed => return false,
            _ => false,
        };
        let pod = || cluster.api.get("", "pods", objects::NAMESPACE, &self.names.next(moved).source());
        let lives = || pod().is_some_and(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        more && self.is_over() && lives()
    }

    pub(super) fn next_round(&mut self, cluster: &super::Cluster, names: Names, at: Duration) {
        self.oracle.next_round(cluster, &self.status, names, at);
        self.earlier.push(self.report());
        self.forget_uid();
        self.names = names;
        self.status = StatefulMigrationStatus::default();
        self.hurried = None;
        self.asked = Some(cluster.counts());
        (self.cancelled, self.gone) = (false, false);
        self.sessions_after_point_of_no_return = 0;
    }
}
