use std::time::Duration;

use ms2m_counter::verify::Comparison;

use super::Oracle;

impl Oracle {
    /// No message is in the survivor's state twice, and none that nobody published.
    pub(super) fn no_duplicate(&mut self, comparison: &Comparison, at: Duration) {
        let is_foreign = !comparison.unexpected.is_empty() || !comparison.contradictions.is_empty();
        if comparison.duplicated_count() > 0 || is_foreign {
            self.broke(at, "NoDuplicate", comparison.to_string());
        }
    }
}
