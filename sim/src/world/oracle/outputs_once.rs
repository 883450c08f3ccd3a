use std::{collections::BTreeSet, time::Duration};

use super::Oracle;
use crate::world::Cluster;

/// The outputs that were looked at so far. Nobody takes them from where they are.
#[derive(Default)]
pub(super) struct Outputs {
    looked_at: usize,
    once: BTreeSet<(String, u64)>,
}

impl Oracle {
    /// No output comes twice, unless a fault that has struck by then allows that it comes again with the same identity.
    pub(super) fn outputs_once(&mut self, cluster: &Cluster, at: Duration) {
        let results = self.names.results();
        let (mut new, count) = cluster.broker.identities_since(&results, self.outputs.looked_at);
        if count < self.outputs.looked_at {
            // A broker that went down has not kept all: what is gone may come once more.
            self.outputs = Outputs::default();
            (new, _) = cluster.broker.identities_since(&results, 0);
        }
        self.outputs.looked_at = count;
        for output in new {
            if let Some(again) = self.outputs.once.replace(output)
                && !self.permits.may_repeat_outputs()
            {
                self.broke(at, "OutputsOnce", format_args!("the output of {again:?} was emitted again"));
            }
        }
    }

    /// At the end every message has one.
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
