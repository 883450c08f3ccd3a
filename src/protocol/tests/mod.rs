//! The core against a world of its own: every effect repeated, lost before, lost after; crashes at every step; chaos.

mod chaos;
mod script;
mod walk;
mod world;
