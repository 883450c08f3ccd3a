//! A simulated Kubernetes API server with the controllers that a migration needs.
//!
//! ```text
//!   kube client ──TCP──► serve_connection      HTTP/1.1, one task per connection
//!                             │
//!                 faults · access · journal    what may go wrong, what was asked
//!                             │
//!                           Store              objects, versions, history: synchronous, one step per request
//!                          ╱     ╲
//!          replica · watches     controllers   cursors into the history · scheduler, owners, nodes, garbage
//! ```
//!
//! Objects are plain JSON; built-in kinds must decode as their `k8s-openapi` types. Custom resources are pruned,
//! defaulted and checked by their schema and its CEL rules.

mod access;
mod admission;
mod apply;
mod apps;
mod binding;
mod conditions;
mod controllers;
mod definition;
mod delete;
mod discovery;
mod encounters;
mod error;
mod eviction;
mod execute;
mod faults;
mod fields;
mod formats;
mod freshness;
mod http;
mod identity;
mod journal;
mod limits;
mod list;
mod list_types;
mod object;
mod ownership;
mod patch;
mod proxy;
mod quantity;
mod replica;
mod request;
mod resource;
mod rules;
mod scale;
mod schema;
mod selector;
mod server;
mod store;
mod subresource;
mod topology;
mod validation;
mod violations;
mod watch;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use self::{
    access::Denied,
    encounters::Encounters,
    faults::{Fault, FaultEffect, RequestMatch},
    http::serve_connection,
    journal::RequestRecord,
    request::Verb,
    server::{ApiServer, Refused, Settings},
};
