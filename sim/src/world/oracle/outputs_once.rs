use std::{collections::BTreeSet, time::Duration};

use super::Oracle;
use crate::world::Cluster;

impl Oracle {
    /// No output is there twice, unless a fault allows that it comes again with the same identity.
    pub(super) fn outputs_once(&mut self, cluster: &Cluster, at: Duration) {
        let outputs = cluster.broker.identities(&self.names.results());
        let once: BTreeSet<_> = outputs.iter().collect();
        if once.len() != outputs.len() && !self.permits.may_repeat_outputs() {
            let again = outputs.len() - once.len();
            self.broke(at, "OutputsOnce", format_args!("{again} outputs were emitted again"));
        }
    }

    /// And every message has one.
    pub(super) fn outputs_of_all(&mut self, cluster: &Cluster, at: Duration) {
        let outputs = cluster.broker.identities(&self.names.results());
        let once: BTreeSet<_> = outputs.iter().collect();
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
