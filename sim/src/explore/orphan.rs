use std::io;

/// Lets this process be killed when the one that started it is gone: nobody would hear what it finds, or notice that it hangs.
pub fn end_with_parent() -> io::Result<()> {
    let signal = libc::c_ulong::from(libc::SIGKILL.unsigned_abs());
    // SAFETY: the call takes numbers, and touches no memory.
    let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
