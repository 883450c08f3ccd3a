//! The `StatefulMigration` resource, `migration.ms2m.io/v1alpha1`: what a user asks for, and what the operator records.
//!
//! ```text
//!   spec    what is asked; immutable once the migration has started
//!   status  everything durable that the operator knows; nothing lives only in its memory
//! ```

mod conditions;
mod duration;
mod spec;
mod status;
mod validation;

pub use conditions::{Condition, ConditionStatus, condition, reason};
pub use duration::Span;
pub use spec::{
    Attempts, Binding, BrokerKind, BrokerSpec, Deadlines, OnDeadline, ReplaySpec, SecretKey,
    StatefulMigration, StatefulMigrationSpec, Strategy, TargetSpec, TransferSpec,
};
pub use status::{
    Abort, CheckpointStatus, CleanupProgress, HandoverStatus, MirrorStatus, Outcome, Phase, PhaseTransition,
    ReplayStatus, SourceStatus, StatefulMigrationStatus, TargetStatus,
};
pub use validation::{InvalidSpec, validate};

/// The largest number that a status can say: the API server keeps integers of 64 bits with a sign, and refuses the write of
/// a larger one.
pub const NUMBER_MAX: u64 = i64::MAX as u64;
/// Name of the finalizer that keeps a migration until it is undone or complete.
pub const FINALIZER: &str = "migration.ms2m.io/finalizer";
/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "ms2m-operator";
/// Label, on everything that belongs to a migration (its source while it lasts, too): the migration's UID.
pub const LABEL_MIGRATION_UID: &str = "migration.ms2m.io/uid";
/// Annotation beside [`LABEL_MIGRATION_UID`]: the migration's name, which may be longer than a label's value.
pub const ANNOTATION_MIGRATION_NAME: &str = "migration.ms2m.io/name";
