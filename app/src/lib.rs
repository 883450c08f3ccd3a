//! What a service uses to be migratable by ms2m.
#![forbid(unsafe_code)]

pub mod contract;
pub mod io;
mod ledger;

pub use ledger::{Ledger, Standing};
