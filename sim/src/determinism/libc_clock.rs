//! `clock_gettime(2)` answers with simulated time on the threads of a run.

use std::{ptr, time::Duration};

use libc::{c_int, c_long, clockid_t, timespec};

use super::{raw_syscall, virtual_clock};

// SAFETY: replaces libc's function of this name and has its signature and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let Some(simulated) = simulated_time(clock) else {
        // SAFETY: the caller's pointer is passed on unchanged.
        return unsafe { kernel_clock_gettime(clock, time) };
    };
    if time.is_null() {
        raw_syscall::set_errno(libc::EFAULT);
        return -1;
    }
    let simulated = timespec {
        tv_sec: simulated.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: c_long::from(simulated.subsec_nanos()),
    };
    // SAFETY: the caller promises that the pointer, which is not null, takes a timespec.
    unsafe { time.write(simulated) };
    0
}

fn simulated_time(clock: clockid_t) -> Option<Duration> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => {
            virtual_clock::elapsed().map(|elapsed| virtual_clock::EPOCH + elapsed)
        }
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME => virtual_clock::monotonic(),
        // Processor time is about the real machine.
        _ => None,
    }
}

/// The kernel's own reading of `clock`.
pub(super) fn kernel_time(clock: clockid_t) -> Duration {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { kernel_clock_gettime(clock, ptr::from_mut(&mut time)) };
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// # Safety
///
/// `time` must be valid for writing, or be refused by the kernel.
unsafe fn kernel_clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let arguments = [c_long::from(clock), time as c_long, 0, 0, 0, 0];
    // SAFETY: these are clock_gettime(2)'s arguments; the kernel checks the pointer.
    let result = unsafe { raw_syscall::enter(libc::SYS_clock_gettime, arguments) };
    c_int::try_from(raw_syscall::with_errno(result)).unwrap_or(-1)
}
