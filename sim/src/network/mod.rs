//! The simulated network: [`Dial`](ms2m_app::io::Dial) and listeners over turmoil.
//!
//! The other two parts of the cut need no counterpart here: [`SystemClock`](ms2m_app::io::SystemClock) and
//! [`OsEntropy`](ms2m_app::io::OsEntropy) ask libc, which a [run](crate::determinism::run) answers.

mod builder;
mod delivery;
mod dial;
mod listener;
mod socket;

pub use builder::{LATENCY_MIN, sim_builder};
pub use delivery::{Delivery, Fragmented};
pub use dial::SimDial;
pub use listener::{serve, serve_peers, serve_tcp};
pub use socket::{bounce, crash};
