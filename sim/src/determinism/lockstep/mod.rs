//! Runs the operating-system thread that `lapin` starts for each connection in lock-step with the simulation.
//!
//! ```text
//!    simulation's thread                               client thread ("guest")
//!
//!    HostSide (one task per connection)                lapin's loop, unmodified
//!      Schedule ── lends the baton, waits ──────────►  runs until it would block:
//!               ◄──────── gives the baton back ──────    thread::park  (libc_wait)
//!      bytes    ◄──────────── in-memory pipe ────────►   sleep         (libc_wait)
//!      │                                                 block_on      (Kit)
//!      └── the stream that `Dial` opened, over turmoil
//! ```
//!
//! At any instant one of the two threads runs and the other waits, so that a connection is as deterministic as a
//! task would be. What makes a guest due is recognised where it happens: a wake of its parking place, a wake of
//! its `block_on`, or a deadline in simulated time.
//!
//! A host that crashes drops its tasks, the connection's [`HostSide`](host_side::HostSide) among them. That breaks
//! the pipe and then lends the guest the baton until its thread has ended, so that no thread outlives its host.

mod baton;
mod connect;
mod guest;
mod guests;
mod host_side;
mod kit;
mod seat;

pub(crate) use connect::connect;
pub(super) use guest::Guest;
pub(super) use guests::Guests;
pub use guests::client_threads;
pub(super) use seat::this_guest;
