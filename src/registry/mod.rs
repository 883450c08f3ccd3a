//! Checkpoint archive → OCI image in a registry, and back to nothing. Runs as `ms2m transfer`, in a Job on the node that
//! has the archive; the operator itself never talks to a registry and never holds its credentials.
//!
//! ```text
//!   flags ─▶ transfer ─┬─▶ archive, archive_folder ─▶ tar_walk, identity     what it is, whose, whether whole
//!                      ├─▶ push ──▶ image                                    streamed, by digest
//!                      ├─▶ delete                                            manifest, then blobs
//!                      └─▶ report ─▶ termination message ─▶ the operator
//!            session ─▶ http ─▶ Dial, connection, credentials, error         shared by push and delete
//!            node                                                            the machine: its disk, its way out
//! ```

pub mod archive;
pub mod archive_folder;
#[cfg(test)]
#[path = "../../tests/registry/checkpoint_fixture.rs"]
mod checkpoint_fixture;
pub mod connection;
pub mod credentials;
pub mod delete;
pub mod error;
pub mod flags;
mod http;
mod identity;
pub mod image;
pub mod node;
pub mod push;
pub mod report;
mod session;
mod tar_walk;
pub mod transfer;
