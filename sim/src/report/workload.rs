use serde::Serialize;

use super::MigrationReport;

/// How one of several workloads fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkloadReport {
    /// Name of its migration.
    pub name: String,
    /// How the migration went.
    #[serde(flatten)]
    pub migration: MigrationReport,
    /// Messages that the broker confirmed.
    pub published: u64,
    /// Messages in the surviving owner's state.
    pub applied: u64,
    /// Confirmed, but not in that state.
    pub lost: u64,
    /// Applied more than once.
    pub duplicated: u64,
    /// Applied out of their producer's order.
    pub reordered: u64,
    /// Why a loss is nobody's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<&'static str>,
}
