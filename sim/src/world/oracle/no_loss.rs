use std::time::Duration;

use ms2m::api::StatefulMigrationStatus;
use ms2m_counter::verify::Comparison;

use super::{Oracle, slipped::unnamed};

impl Oracle {
    /// Every confirmed publish is in the survivor's state.
    pub(super) fn no_loss(&mut self, comparison: &Comparison, at: Duration) {
        if comparison.lost_count() > 0 {
            self.broke(at, "NoLoss", comparison.to_string());
        }
    }

    /// What the survivor lacks, and could not have, is named by the outcome.
    pub(super) fn says_what_it_lacks(
        &mut self,
        status: &StatefulMigrationStatus,
        comparison: &Comparison,
        at: Duration,
    ) {
        if self.fates.excuse(status).is_none()
            && let Some(lost) = unnamed(status, &comparison.lost)
        {
            let message = format_args!("the outcome does not name {lost:?} among what the state lacks");
            self.broke(at, "NoLoss", message);
        }
    }
}
