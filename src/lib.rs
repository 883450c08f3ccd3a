//! The operator.
#![forbid(unsafe_code)]

pub mod api;
pub mod broker;
mod dial_connector;
mod dialed_stream;
pub mod kubernetes;
pub mod operator;
pub mod protocol;
pub mod registry;
pub use ms2m_app::io;
