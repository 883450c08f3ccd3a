use std::sync::atomic::{AtomicU32, Ordering};

use crate::determinism::raw_syscall::{publish, wait_while};

/// The guest's thread has not got as far as to take part.
const ABSENT: u32 = 0;
/// The simulation's thread runs.
const HOST: u32 = 1;
/// The guest's thread runs.
const GUEST: u32 = 2;
/// The guest's thread has ended, but for what the operating system does.
const GONE: u32 = 3;

/// Says which of two threads runs. Waiting for it is real waiting, which the simulation does not see.
#[derive(Debug, Default)]
pub(super) struct Baton(AtomicU32);

impl Baton {
    /// Host: waits until the guest's thread takes part, or has ended without.
    pub(super) fn await_guest(&self) {
        wait_while(&self.0, ABSENT);
    }

    /// Host: lets the guest run until it gives the baton back or ends.
    pub(super) fn lend(&self) {
        publish(&self.0, GUEST);
        wait_while(&self.0, GUEST);
    }

    /// Guest: gives the baton back, the first time as well, and waits until it is lent again.
    pub(super) fn give_back(&self) {
        publish(&self.0, HOST);
        wait_while(&self.0, HOST);
    }

    /// Guest: gives the baton back for ever.
    pub(super) fn leave(&self) {
        publish(&self.0, GONE);
    }

    /// Whether the guest has left.
    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == GONE
    }
}
