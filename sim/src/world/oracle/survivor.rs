use std::time::Duration;

use ms2m::api::StatefulMigrationStatus;
use ms2m_counter::{StateView, view};

use super::{Oracle, excuse::Excuse, is_kept, memory, ownership::owns};
use crate::{report::WorkloadReport, world::Cluster};

impl Oracle {
    /// Compares what the surviving owner's state contains with what was published.
    pub(super) fn survivor(
        &mut self,
        cluster: &Cluster,
        (status, excuse): (&StatefulMigrationStatus, Option<Excuse>),
        at: Duration,
        report: &mut WorkloadReport,
    ) {
        let record = cluster.traffic[self.names.index].record.snapshot();
        report.published = record.published();
        let Some(survivor) = self.owner_at_the_end(cluster) else {
            if excuse.is_none() && !is_kept(status) {
                self.broke(at, "NoLoss", "nobody owns the queue at the end");
            }
            return;
        };
        report.applied = survivor.state.count;
        let comparison = ms2m_counter::verify::compare(&record, &survivor);
        report.lost = comparison.lost_count();
        report.duplicated = comparison.duplicated_count();
        report.reordered = comparison.reordered_count();
        self.says_what_it_lacks(status, &comparison, at);
        self.no_duplicate(&comparison, at);
        self.order(&comparison, at);
        if excuse.is_none() {
            self.no_loss(&comparison, at);
            self.outputs_of_all(cluster, at);
        }
        if !matches!(excuse, Some(Excuse::Ram(_))) {
            self.ram_at_the_end(cluster, &survivor.state, at);
        }
    }

    fn owner_at_the_end(&self, cluster: &Cluster) -> Option<StateView> {
        let state = cluster.machines.lock();
        let owner = state.containers.values().find(|container| owns(container, self.names))?;
        memory(owner).map(|memory| memory.cell().look(view))
    }
}
