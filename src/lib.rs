//! The operator.
#![forbid(unsafe_code)]

pub use ms2m_app::io;
