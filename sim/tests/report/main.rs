//! The reports of real, small runs, looked at in a real browser, in light and dark: each draws, complains of nothing, asks for
//! nothing, and does what a reader expects of it.
//!
//! The browser is that of `MS2M_TEST_CHROMIUM` (scripts/with-chromium.sh sets it); without it each test says that it is
//! skipped. The pictures are left in `target/tmp`, to be looked at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chromium;
mod history;
mod matrix;
mod page;
mod run;
mod sweep;
mod written;
