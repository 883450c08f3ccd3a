use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use super::{libc_clock, lockstep};

/// The wall clock at the start of every run, as time since 1970: 2026-01-01T00:00:00Z.
pub const EPOCH: Duration = Duration::from_hours(490_896);

/// The monotonic clock at the start of every run: up for a while, so that the recent past can be told.
const BOOT: Duration = Duration::from_hours(1);

/// What a thread of a run has read last.
#[derive(Clone, Copy)]
struct Reading {
    /// `std`'s instant at the start of the run.
    started: Option<Instant>,
    monotonic: Duration,
    elapsed: Duration,
    /// Set while the clock is being read: tokio's clock may ask for `std`'s, which is this one.
    busy: bool,
}

const UNREAD: Reading =
    Reading { started: None, monotonic: Duration::ZERO, elapsed: Duration::ZERO, busy: false };

thread_local! {
    // No destructor, so that it can be read while the thread is being torn down.
    static READING: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// Starts virtual time on this thread, which is the simulation's.
#[allow(clippy::disallowed_methods, reason = "this is the virtual clock's own beginning")]
pub(super) fn start() {
    READING.set(Some(UNREAD));
    READING.set(Some(Reading { started: Some(Instant::now()), ..UNREAD }));
}

/// Back to the kernel's clocks.
pub(super) fn stop() {
    READING.set(None);
}

/// Time since the machine that is simulated booted; `None` outside a run.
///
/// Within a simulated host it is the host's own, which is what `tokio::time` shows there. A host that was
/// restarted has a fresh one, as a rebooted machine has.
pub(super) fn monotonic() -> Option<Duration> {
    if let Some(guest) = lockstep::this_guest() {
        return Some(guest.clock().monotonic);
    }
    let reading = READING.get()?;
    let (Some(started), false) = (reading.started, reading.busy) else {
        return Some(BOOT + reading.monotonic);
    };
    READING.set(Some(Reading { busy: true, ..reading }));
    // Outside of every host tokio asks `std`, which is this function again, and hears the last reading.
    let now = tokio::time::Instant::now().into_std().duration_since(started);
    // Between hosts nobody's clock runs; the furthest that one has come is the best answer.
    READING.set(Some(Reading { monotonic: reading.monotonic.max(now), ..reading }));
    Some(BOOT + now)
}

/// Simulated time since the start of the run; `None` outside a run.
pub(super) fn elapsed() -> Option<Duration> {
    if let Some(guest) = lockstep::this_guest() {
        return Some(guest.clock().elapsed);
    }
    let reading = READING.get()?;
    if reading.busy {
        return Some(reading.elapsed);
    }
    let now = turmoil::sim_elapsed().unwrap_or(reading.elapsed);
    let reading = READING.get().unwrap_or(reading);
    READING.set(Some(Reading { elapsed: reading.elapsed.max(now), ..reading }));
    Some(now)
}

/// Real time on the kernel's monotonic clock, inside a run as well: how long a run took.
pub fn wall_clock() -> Duration {
    libc_clock::kernel_time(libc::CLOCK_MONOTONIC)
}
