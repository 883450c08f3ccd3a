//! What the transfer Jobs do to archives and images.

use ms2m::protocol::names::image_tag;

use super::{objects::owner_of_job, owners::Owners};
use crate::world::transfer::{Handled, Handling};

/// Judges what one Job did to one checkpoint.
pub(super) fn judge(owners: &Owners, handling: &Handling) -> Result<(), String> {
    let Handling { job_pod, deed, of_pod } = handling;
    let Some(its) = owner_of_job(owners, |job| job_pod.starts_with(job)) else {
        return Err(format!("{deed:?}, by {job_pod}, which is nobody's"));
    };
    let workload = owners.workload_of_uid(of_pod);
    if workload != Some(its.names.index) {
        return Err(format!("{deed:?} by a Job of {}, of pod {of_pod}, of workload {workload:?}", its.name));
    }
    match deed {
        Handled::Pushed(tag) if *tag != image_tag(&its.uid) => {
            Err(format!("{} pushed its checkpoint under the tag {tag}, which is not its own", its.name))
        }
        Handled::ImageDeleted | Handled::ArchiveDeleted if !its.takes_down() => {
            Err(format!("{deed:?}, and {} had not asked", its.name))
        }
        _ => Ok(()),
    }
}
