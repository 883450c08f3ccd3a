//! The operator.
#![forbid(unsafe_code)]

pub mod api;
pub mod kubernetes;
pub mod protocol;
pub mod registry;
pub use ms2m_app::io;
