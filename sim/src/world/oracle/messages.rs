use std::{collections::BTreeSet, time::Duration};

use ms2m::api::StatefulMigrationStatus;
use ms2m_counter::{CounterState, view};

use super::{Oracle, is_kept, memory, ownership::owns, slipped::unnamed};
use crate::{report::WorkloadReport, world::Cluster};

impl Oracle {
    /// Everything that was published is in the survivor's state, once, in order; and what it says was said.
    pub(super) fn messages(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
        report: &mut WorkloadReport,
    ) {
        let record = cluster.traffic[self.names.index].record.snapshot();
        report.published = record.published();
        let survivor = {
            let state = cluster.machines.lock();
            let mut owners = state.containers.values().filter(|container| owns(container, self.names));
            owners.next().and_then(|container| memory(container).map(|memory| memory.cell().look(view)))
        };
        let Some(survivor) = survivor else {
            if report.excuse.is_none() && !is_kept(status) {
                self.broke(at, "NoLoss", "nobody owns the queue at the end");
            }
            return;
        };
        report.applied = survivor.state.count;
        let comparison = ms2m_counter::verify::compare(&record, &survivor);
        report.lost = comparison.lost_count();
        report.duplicated = comparison.duplicated_count();
        report.reordered = comparison.reordered_count();
        if self.fates.excuse(status).is_none()
            && let Some(lost) = unnamed(status, &comparison.lost)
        {
            let message = format_args!("the outcome does not name {lost:?} among what the state lacks");
            self.broke(at, "NoLoss", message);
        }
        if report.excuse.is_some() {
            return;
        }
        if report.lost > 0 {
            self.broke(at, "NoLoss", comparison.to_string());
        }
        if report.duplicated > 0 || !comparison.unexpected.is_empty() || !comparison.contradictions.is_empty()
        {
            self.broke(at, "NoDuplicate", comparison.to_string());
        }
        if report.reordered > 0 {
            self.broke(at, "Order", comparison.to_string());
        }
        self.ram_preserved(cluster, &survivor.state, at);
        self.outputs_once(cluster, at);
    }

    /// The state at the end is the one that the first process began, continued and not restarted.
    fn ram_preserved(&mut self, cluster: &Cluster, survivor: &CounterState, at: Duration) {
        let names = crate::world::Names { moved: 0, ..self.names };
        let first = {
            let state = cluster.machines.lock();
            let mut sources = state.containers.values().filter(|container| names.is_source(&container.pod));
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
        let outputs = cluster.broker.identities(&self.names.results());
        let once: BTreeSet<_> = outputs.iter().collect();
        if once.len() != outputs.len() && !self.may_repeat_outputs {
            let again = outputs.len() - once.len();
            self.broke(at, "OutputsOnce", format_args!("{again} outputs were emitted again"));
        }
        let record = cluster.traffic[self.names.index].record.snapshot();
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
}
