//! A simulated AMQP 0.9.1 broker with RabbitMQ semantics, and the part of its management API that the operator reads.
//!
//! ```text
//!   connection   bytes ⇄ frames, heartbeats                        the only async part
//!   session      a client's frames → calls, answers, exceptions
//!   broker       exchanges, bindings, queues: routing, delivery, requeue
//!   queue        classic (destructive, unacked) and stream (a log with positions)
//!   management   GET queues, bindings, exchanges
//! ```

mod broker;
mod connection;
mod exception;
mod management;
mod queue;
mod routing;
mod session;
mod shared;

pub use broker::{BindingView, ConsumerView, QueueSnapshot};
pub use connection::serve_connection;
pub use management::serve_management;
pub use shared::SharedBroker;
