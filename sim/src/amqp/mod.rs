//! A simulated AMQP 0.9.1 broker with RabbitMQ semantics, and the part of its management API that the operator reads.
//!
//! ```text
//!   connection   bytes ⇄ frames, heartbeats                        the only async part
//!   session      a client's frames → calls, answers, exceptions
//!   broker       everything that it knows
//!     routing      exchanges and bindings: which queues want a message
//!     enqueue      into the queues, or not, where one is full
//!     delivery     out of the queues, and back
//!     dead_letter  what a queue gives up, and where that goes
//!     expiry       what happens by itself when its time has come
//!     alarm        too little memory: publishers are blocked
//!     ending       what goes with a channel, a connection, a queue, a run
//!   queue        classic and quorum (destructive, unacked), stream (a log with positions)
//!   settings     what the arguments of a queue say
//!   acts         what one client did, for whoever judges it
//!   management   GET queues, bindings, exchanges
//! ```

mod acts;
mod alarm;
mod broker;
mod clock;
mod connection;
mod consumer;
mod dead_letter;
mod delivery;
mod ending;
mod enqueue;
mod exception;
mod expiry;
mod management;
mod message;
mod queue;
mod routing;
mod session;
mod settings;
mod shared;
mod view;

pub use acts::{Act, Deed};
pub use connection::serve_connection;
pub use expiry::keep_time;
pub use management::serve_management;
pub use shared::SharedBroker;
pub use view::{BindingView, ConsumerView, QueueSnapshot};
