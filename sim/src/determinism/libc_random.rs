//! `getrandom(2)` and `getentropy(3)` answer from the run's seed on the threads of a run.

use std::slice;

use libc::{c_int, c_long, c_uint, c_void, size_t, ssize_t};

use super::{random, raw_syscall};

// SAFETY: replaces libc's function of this name and has its signature and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    // A null buffer is how a caller asks whether the system call exists.
    if buffer.is_null() || !fill_from_seed(buffer, length) {
        let arguments = [buffer as c_long, length.cast_signed() as c_long, c_long::from(flags), 0, 0, 0];
        // SAFETY: the caller's buffer and length, as getrandom(2) takes them.
        let result = unsafe { raw_syscall::enter(libc::SYS_getrandom, arguments) };
        return ssize_t::try_from(raw_syscall::with_errno(result)).unwrap_or(-1);
    }
    length.cast_signed()
}

// SAFETY: replaces libc's function of this name and has its signature and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: size_t) -> c_int {
    if length > 256 {
        raw_syscall::set_errno(libc::EIO);
        return -1;
    }
    // SAFETY: the caller's buffer and length are passed on unchanged.
    let filled = unsafe { getrandom(buffer, length, 0) };
    if usize::try_from(filled) == Ok(length) { 0 } else { -1 }
}

fn fill_from_seed(buffer: *mut c_void, length: usize) -> bool {
    if !random::is_seeded() {
        return false;
    }
    // SAFETY: the caller of getrandom promises `length` writable bytes at `buffer`, which is not null.
    let bytes = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    // Asking for nothing takes nothing from the stream: a crate may do that once per process, to see whether the
    // system call exists.
    for chunk in bytes.chunks_mut(8) {
        let value = random::next().unwrap_or_default();
        chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
    }
    true
}
