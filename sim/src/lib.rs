//! The simulated world.
#![deny(unsafe_code)]

pub mod amqp;
pub mod apiserver;
pub mod cli;
pub mod determinism;
pub mod explore;
pub mod kubelet;
pub mod nested_cargo;
pub mod network;
pub mod plan;
pub mod registry;
pub mod report;
pub mod world;
