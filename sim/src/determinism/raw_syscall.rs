//! The way into the kernel that does not go through libc's `syscall`, which [`super::libc_wait`] replaces.

use std::{
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use libc::c_long;

/// Enters the kernel; a result in `-4095..0` is a negated errno.
///
/// # Safety
///
/// The arguments must be what the system call `number` asks for, pointers valid for what it does with them.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn enter(number: c_long, arguments: [c_long; 6]) -> c_long {
    let result: c_long;
    // SAFETY: this is the kernel's calling convention; rcx and r11 are the only other registers it changes. The
    // memory that the call touches is the caller's promise.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Enters the kernel; a result in `-4095..0` is a negated errno.
///
/// # Safety
///
/// The arguments must be what the system call `number` asks for, pointers valid for what it does with them.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn enter(number: c_long, arguments: [c_long; 6]) -> c_long {
    let result: c_long;
    // SAFETY: this is the kernel's calling convention, which changes no other register. The memory that the call
    // touches is the caller's promise.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    result
}

/// Turns the kernel's result into libc's: -1 and `errno`.
pub(super) fn with_errno(result: c_long) -> c_long {
    match result {
        -4095..0 => {
            set_errno(i32::try_from(-result).unwrap_or(libc::EINVAL));
            -1
        }
        other => other,
    }
}

/// Sets the calling thread's `errno`.
pub(super) fn set_errno(errno: libc::c_int) {
    // SAFETY: libc returns a valid pointer to the calling thread's own errno.
    unsafe { *libc::__errno_location() = errno };
}

/// Sleeps for as long as `word` holds `value`. May return early, so the caller looks again.
fn futex_wait(word: &AtomicU32, value: u32) {
    let word: *const AtomicU32 = ptr::from_ref(word);
    // SAFETY: the word outlives the call because it is borrowed, and a missing timeout is a null pointer.
    unsafe {
        enter(
            libc::SYS_futex,
            [
                word as c_long,
                c_long::from(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG),
                c_long::from(value),
                0,
                0,
                0,
            ],
        )
    };
}

fn futex_wake_all(word: &AtomicU32) {
    let word: *const AtomicU32 = ptr::from_ref(word);
    // SAFETY: waking reads no memory; the address only names the waiters.
    unsafe {
        enter(
            libc::SYS_futex,
            [
                word as c_long,
                c_long::from(libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG),
                c_long::from(i32::MAX),
                0,
                0,
                0,
            ],
        )
    };
}

/// Stores `value` and wakes whoever waits for a change.
pub(super) fn publish(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::SeqCst);
    futex_wake_all(word);
}

/// Waits, in real time, until `word` no longer holds `value`, and returns what it holds then.
pub(super) fn wait_while(word: &AtomicU32, value: u32) -> u32 {
    loop {
        match word.load(Ordering::SeqCst) {
            same if same == value => futex_wait(word, value),
            other => return other,
        }
    }
}
