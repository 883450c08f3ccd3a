use std::{env, io, os::unix::process::CommandExt as _, process::Command};

/// Set in the second process, so that a kernel that accepts the setting and forgets it does not start a third.
const DONE: &str = "MS2M_SIM_ASLR_OFF";

/// Starts this program anew with the same arguments and without address randomisation, if that is on.
///
/// Returns where nothing can or need be done: randomisation is off, or a container does not allow to turn it off.
/// Otherwise it does not return. Call it first in `main`, before a second thread exists.
///
/// A run stays a function of its seed without it, as long as no map's iteration order decides anything; this
/// makes it so for the maps that seed themselves from an address.
pub fn reexec_without_aslr() {
    if env::var_os(DONE).is_some() {
        return;
    }
    let Some(current) = personality(0xffff_ffff) else { return };
    if current & libc::ADDR_NO_RANDOMIZE != 0 {
        return;
    }
    let wanted = libc::c_ulong::try_from(current | libc::ADDR_NO_RANDOMIZE);
    if wanted.ok().and_then(personality).is_none() {
        return;
    }
    let error = exec_self();
    tracing::warn!(%error, "cannot start anew without address randomisation; going on with it");
}

/// Replaces this process; returns only the reason why it could not.
fn exec_self() -> io::Error {
    let mut arguments = env::args_os();
    let name = arguments.next();
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env(DONE, "1");
    if let Some(name) = name {
        command.arg0(name);
    }
    command.exec()
}

/// Sets this process's execution domain and returns the one it had; 0xffffffff only asks.
fn personality(persona: libc::c_ulong) -> Option<libc::c_int> {
    // SAFETY: personality(2) takes a number and touches no memory.
    let previous = unsafe { libc::personality(persona) };
    (previous >= 0).then_some(previous)
}
