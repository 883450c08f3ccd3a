//! `ms2m transfer`, the real program, against registries: a small one in this process that fails on demand, and a real
//! one where `MS2M_TEST_REGISTRY_URL` names it.

mod checkpoint_fixture;
mod command;
mod delete;
mod memory;
mod push;
mod push_refused;
mod real_registry;
mod tiny_registry;
