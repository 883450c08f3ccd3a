//! Everything that is said to Kubernetes: the API server and the kubelets.
//!
//! ```text
//!   client                    the one HTTP stack, over Dial
//!     ├─ migrations, events   the object itself: status by compare-and-swap, finalizer
//!     ├─ pods, pod_view       source and shadow ◄── shadow_pod    what the shadow is made of
//!     ├─ jobs, job_view       push and clean-up ◄── transfer_job  what the Jobs are made of
//!     ├─ lease                which of several operators works
//!     ├─ services             moves the labels by which Services select
//!     ├─ kubelet              asks for the checkpoint             ◄── checkpoint_answer
//!     └─ nodes, secrets, access                                   what the checks look at
//!   failure                   what an error means for the effect that met it
//! ```

pub mod access;
mod checkpoint_answer;
pub mod client;
pub mod config;
pub mod events;
pub mod failure;
pub mod job_view;
pub mod jobs;
pub mod kubelet;
pub mod lease;
#[cfg(test)]
mod loopback;
mod migration_ref;
pub mod migrations;
pub mod nodes;
pub mod pod_view;
pub mod pods;
pub mod secrets;
pub mod services;
pub mod shadow_pod;
pub mod transfer_job;

pub use migration_ref::MigrationRef;
