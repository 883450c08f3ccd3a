//! A client thread of a run that would wait gives its turn back instead, and one that is woken gets a turn.
//!
//! `std` parks and unparks threads by futex, through libc's `syscall`. Only the futex of a client thread's parking
//! place is taken over. Every other one guards something for a moment, perhaps something that code outside the
//! run holds, such as a lock of standard output: that wait stays real.

use std::{
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use libc::{c_int, c_long, clockid_t, timespec};

use super::{lockstep, lockstep::Guest, raw_syscall, simulation::Simulation};

// SAFETY: replaces libc's function of this name. That one is variadic in C; on the supported targets variadic
// integers are passed like these six, and ones that the caller left out are ignored by the kernel.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    first: c_long,
    second: c_long,
    third: c_long,
    fourth: c_long,
    fifth: c_long,
    sixth: c_long,
) -> c_long {
    let arguments = [first, second, third, fourth, fifth, sixth];
    if number == libc::SYS_futex {
        // SAFETY: the arguments are a futex call's, by its caller's promise.
        if let Some(result) = unsafe { simulated_futex(first, second, third, fourth) } {
            return result;
        }
    }
    // SAFETY: the caller's arguments are passed on unchanged.
    raw_syscall::with_errno(unsafe { raw_syscall::enter(number, arguments) })
}

/// Answers a futex call that concerns a parking place; `None` leaves it to the kernel.
///
/// # Safety
///
/// The arguments must be those of a futex call.
unsafe fn simulated_futex(word: c_long, operation: c_long, value: c_long, timeout: c_long) -> Option<c_long> {
    let command = c_int::try_from(operation).ok()? & libc::FUTEX_CMD_MASK;
    match command {
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => {
            let woken = Simulation::current()?.guests().wake_parked_on(address_of(word));
            woken.then_some(1)
        }
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
            let guest = lockstep::this_guest()?;
            let address = address_of(word);
            if guest.parking_place() == 0 {
                guest.set_parking_place(address);
                return Some(fail(libc::ETIMEDOUT));
            }
            if guest.parking_place() != address {
                return None;
            }
            // SAFETY: the caller waits on this word, so it is a live, aligned, shared 32-bit word.
            let word = unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(address)) };
            // SAFETY: a futex wait's timeout is null or points to a timespec.
            let timeout = unsafe { duration_at(ptr::with_exposed_provenance(address_of(timeout))) };
            let expected = low_half(value);
            let relative = command == libc::FUTEX_WAIT;
            Some(park(&guest, word, expected, timeout.map(|timeout| (timeout, relative))))
        }
        _ => None,
    }
}

/// Gives the turn back until the guest is due, if `word` still holds `expected`.
fn park(guest: &Guest, word: &AtomicU32, expected: u32, timeout: Option<(Duration, bool)>) -> c_long {
    if word.load(Ordering::SeqCst) != expected {
        return fail(libc::EAGAIN);
    }
    let deadline =
        timeout.map(|(time, relative)| if relative { guest.clock().monotonic + time } else { time });
    if guest.rest(deadline) { fail(libc::ETIMEDOUT) } else { 0 }
}

/// An argument that is an address.
fn address_of(argument: c_long) -> usize {
    argument.cast_unsigned().try_into().unwrap_or(0)
}

/// An argument of 32 bits: the kernel ignores what the register holds above them.
fn low_half(argument: c_long) -> u32 {
    (argument.cast_unsigned() & 0xffff_ffff).try_into().unwrap_or(0)
}

fn fail(errno: c_int) -> c_long {
    raw_syscall::set_errno(errno);
    -1
}

// SAFETY: replaces libc's function of this name and has its signature and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(request: *const timespec, remaining: *mut timespec) -> c_int {
    // SAFETY: the caller's pointer is null, which the kernel refuses, or points to a timespec.
    if let Some((guest, time)) = lockstep::this_guest().zip(unsafe { duration_at(request) }) {
        sleep_until(&guest, guest.clock().monotonic + time);
        return 0;
    }
    let arguments = [request as c_long, remaining as c_long, 0, 0, 0, 0];
    // SAFETY: the caller's arguments are passed on unchanged.
    let result = unsafe { raw_syscall::enter(libc::SYS_nanosleep, arguments) };
    c_int::try_from(raw_syscall::with_errno(result)).unwrap_or(-1)
}

// SAFETY: replaces libc's function of this name and has its signature and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    request: *const timespec,
    remaining: *mut timespec,
) -> c_int {
    // SAFETY: the caller's pointer is null, which the kernel refuses, or points to a timespec.
    if let Some((guest, time)) = lockstep::this_guest().zip(unsafe { duration_at(request) })
        && clock == libc::CLOCK_MONOTONIC
    {
        let absolute = flags & libc::TIMER_ABSTIME != 0;
        sleep_until(&guest, if absolute { time } else { guest.clock().monotonic + time });
        return 0;
    }
    let arguments = [c_long::from(clock), c_long::from(flags), request as c_long, remaining as c_long, 0, 0];
    // SAFETY: the caller's arguments are passed on unchanged.
    let result = unsafe { raw_syscall::enter(libc::SYS_clock_nanosleep, arguments) };
    // This one function returns the error itself and leaves errno alone.
    c_int::try_from(-result).unwrap_or(libc::EINVAL)
}

fn sleep_until(guest: &Guest, deadline: Duration) {
    while deadline > guest.clock().monotonic {
        if guest.rest(Some(deadline)) {
            return;
        }
    }
}

/// # Safety
///
/// `time` must be null or point to a timespec.
unsafe fn duration_at(time: *const timespec) -> Option<Duration> {
    // SAFETY: the caller promises that it is null or points to a timespec.
    let time = unsafe { time.as_ref() }?;
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}
