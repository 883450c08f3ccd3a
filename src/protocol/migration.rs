use super::Intervals;
use crate::api::{StatefulMigrationSpec, StatefulMigrationStatus};

/// The object, as the core sees it, and how soon its steps are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Migration<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// What is asked.
    pub spec: &'a StatefulMigrationSpec,
    /// What is recorded.
    pub status: &'a StatefulMigrationStatus,
    /// How soon the operator asks or looks once more.
    pub intervals: &'a Intervals,
}
