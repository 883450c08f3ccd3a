//! What a service uses to be migratable by ms2m.
//!
//! ```text
//!   Handler     what the service does with a message               yours
//!   Consumer    consume → apply → emit → ack, across migrations    ┐
//!   engine      the same as a value and its steps                  ├ this crate
//!   Ledger      which messages the state contains                  │
//!   Publisher   stamps producer and sequence, confirms, resends    ┘
//!   contract    the wire contract with the operator
//!   io          Dial, Clock, Entropy: the cut to the world
//! ```
#![forbid(unsafe_code)]

mod amqp_name;
mod consumer;
pub mod contract;
pub mod engine;
mod handler;
mod identity;
pub mod io;
mod ledger;
mod patience;
mod publisher;
#[doc(hidden)]
pub mod seeded_bug;

pub use amqp_name::{OverlongName, amqp_name};
pub use consumer::{Consumer, ConsumerConfig, RamCell};
pub use handler::{Handler, Malformed, Message, Output};
pub use identity::{DEFAULT_POD_UID_FILE, ENV_POD_UID_FILE, IdentityFile, IdentitySource};
pub use ledger::{Ledger, Standing};
pub use publisher::{Published, Publisher, PublisherConfig};
