use std::time::Duration;

use ms2m_counter::verify::Comparison;

use super::Oracle;

impl Oracle {
    /// Per producer, messages were applied in sequence.
    pub(super) fn order(&mut self, comparison: &Comparison, at: Duration) {
        if comparison.reordered_count() > 0 {
            self.broke(at, "Order", comparison.to_string());
        }
    }
}
