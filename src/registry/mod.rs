//! Checkpoint archive → OCI image.
mod report;
pub use report::TransferReport;
