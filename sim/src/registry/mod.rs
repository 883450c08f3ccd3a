//! A simulated OCI registry, as much of it as a push, a pull and a deletion need.
//!
//! ```text
//!   connection   HTTP/1.1 ⇄ requests, and what a fault makes of them     the only async part
//!     treat        what may go wrong with which step
//!   request      which step a method and a path are
//!   perform      a request → the store → an answer
//!   store        everything that it knows
//!     uploads      sessions, chunk by chunk
//!     manifests    what refers to blobs, by digest and by tag
//!   digest       sha256, and what looks like one
//!   refusal      the errors, with their codes
//! ```
//!
//! It follows the distribution specification 1.1 and, where that leaves a choice, the reference implementation
//! `distribution`: `sim/tests/registry_contract` runs the same cases against both. In particular a location of an upload
//! session is good for the offset that it was given out for, so that nobody goes on with an upload whose last chunk broke
//! or whose acknowledgement was lost.
//!
//! What it deliberately does not do:
//!
//! - Authentication and TLS.
//! - Ranges of blobs, conditional requests, pages of tags, the catalogue, referrers.
//! - Digests other than SHA-256.
//! - Garbage collection: a blob that is deleted from its last repository is gone.
//! - A session never expires, and what a manifest has no need of is never cleaned up.
//! - Some malformed requests that `distribution` answers with 500 are refused with 400 or 404; among them a blob that is asked
//!   for as a manifest.
//! - Repositories whose names begin with a host in capital letters, which `distribution` 2.8 takes.

mod connection;
mod digest;
mod manifests;
mod perform;
mod refusal;
mod request;
mod settings;
mod store;
mod treat;
mod uploads;

pub use connection::{serve, serve_connection};
pub use settings::{Deletion, Settings};
pub use store::Store;
pub use treat::{AlwaysServe, Asked, Kind, Treat, Treatment};
