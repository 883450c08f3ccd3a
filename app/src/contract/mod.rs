//! The wire contract between the operator and an application: queue names, headers, and the control messages.
//!
//! `docs/app-contract.md` is its prose twin, complete enough to implement it in another language.

mod command;
mod headers;
mod queues;
mod reply;

pub use command::{Command, CommandBody, Marker};
pub use headers::{HEADER_CONTROL, HEADER_PRODUCER, HEADER_SEQ, MessageId, SEQ_MAX};
pub use queues::{NAME_BYTES_MAX, control_queue, dead_letter_queue, replay_queue, replies_queue};
pub use reply::{MissingMessages, Reply, ReplyBody};

/// Version of the contract that this crate speaks; every control message carries it.
pub const CONTRACT_VERSION: u32 = 1;
