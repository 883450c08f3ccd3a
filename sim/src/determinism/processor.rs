use std::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use libc::cpu_set_t;

/// Environment variable with the number of the processor that runs stay on.
pub const PROCESSOR: &str = "MS2M_SIM_PROCESSOR";

/// Keeps this thread, and the client threads started from it, on one processor.
///
/// Only one of them runs at a time, so a second processor only makes handing over slower: by a third to a half,
/// measured. And code that looks how many processors it may use gets the same answer on every machine.
/// Runs that go on beside each other take turns in the choice. Where it is not allowed nothing changes.
pub(super) fn stay_on_one() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);

    let allowed = allowed();
    // Whoever starts several processes knows better than each of them which processor is free.
    let given = std::env::var(PROCESSOR).ok().and_then(|number| number.parse::<usize>().ok());
    if let Some(&processor) = given.and_then(|number| allowed.get(number % allowed.len().max(1))) {
        allow_only(processor);
        return;
    }
    let run = RUNS.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize;
    if let Some(&processor) = allowed.get(run % allowed.len().max(1)) {
        allow_only(processor);
    }
}

fn allowed() -> Vec<usize> {
    let mut set = empty();
    // SAFETY: the pointer is to a live set of the given size.
    if unsafe { libc::sched_getaffinity(0, mem::size_of::<cpu_set_t>(), &raw mut set) } != 0 {
        return Vec::new();
    }
    let size = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the set is initialised and every index is below its size.
    (0..size).filter(|processor| unsafe { libc::CPU_ISSET(*processor, &set) }).collect()
}

fn allow_only(processor: usize) {
    let mut set = empty();
    // SAFETY: the index came out of a set of the same size.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the pointer is to a live set of the given size. A refusal is only slower.
    unsafe { libc::sched_setaffinity(0, mem::size_of::<cpu_set_t>(), &raw const set) };
}

fn empty() -> cpu_set_t {
    // SAFETY: a set is an array of integers, for which zero is a valid value.
    unsafe { mem::zeroed() }
}
