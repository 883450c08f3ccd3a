//! The unmodified lapin over the simulated network: its threads run in lock-step and end with their host.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(clippy::disallowed_methods, reason = "outside of a run these tests wait for the operating system")]

mod determinism;
mod ending;
mod failing;
mod handshake_server;
mod world;
