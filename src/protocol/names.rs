//! Every name that a migration gives to something, derived from the migration's UID or the source's name.

pub use ms2m_app::contract::{control_queue, replay_queue, replies_queue};

/// Name of the shadow pod.
pub fn shadow_pod(source_pod: &str) -> String {
    format!("{source_pod}-shadow")
}

/// Name of the transfer Job.
pub fn transfer_job(migration_uid: &str) -> String {
    format!("ms2m-transfer-{migration_uid}")
}

/// Name of the clean-up Job.
pub fn cleanup_job(migration_uid: &str) -> String {
    format!("ms2m-cleanup-{migration_uid}")
}

/// Tag of the checkpoint image in the repository of the spec.
pub fn image_tag(migration_uid: &str) -> String {
    format!("ms2m-{migration_uid}")
}
