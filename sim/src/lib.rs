//! The simulated world.
#![deny(unsafe_code)]
