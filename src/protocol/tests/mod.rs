//! The core against a world of its own: every effect repeated, lost before, lost after; crashes at every step; chaos.
#![allow(
    clippy::needless_pass_by_value,
    clippy::option_option,
    clippy::single_match_else,
    clippy::struct_excessive_bools,
    reason = "a world of plain facts, read once by the tests beside it"
)]

mod asked_again;
mod chaos;
mod found;
mod gaps;
mod large;
mod left;
mod listening;
mod model;
mod probed;
mod rivals;
mod script;
mod sessions;
mod template;
mod waiting;
mod walk;
mod world;
