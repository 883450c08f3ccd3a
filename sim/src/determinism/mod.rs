//! Makes a run a function of its seed.
//!
//! ```text
//!   run(seed, body) ── a fresh thread ──────────────────────────────┐
//!      │                                                            │
//!      │   std, tokio, kube, lapin … ask libc for                   │
//!      │     randomness      getrandom, getentropy   -> the seed    │  libc_random
//!      │     the time        clock_gettime           -> turmoil     │  libc_clock
//!      │     to wait         futex, nanosleep        -> lock-step   │  libc_wait
//!      │                                                            │
//!      └── the threads that lapin starts run one slice at a time, while this one waits   lockstep
//! ```
//!
//! The replacements are linked into every program that uses this crate. They act only on a thread that [`run`]
//! started, and on the client threads started from it; everywhere else they hand the call to the kernel. So any
//! number of runs can go on beside each other, and beside code that knows nothing of them.
//!
//! What cannot be pinned is the addresses that the allocator returns, and with them the order of maps that hash
//! by address or seed themselves from one: [`reexec_without_aslr`] helps, not relying on such an order is better.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("the simulator replaces Linux system calls: build it for Linux on x86_64 or aarch64");

#[allow(unsafe_code, reason = "personality(2) has no safe binding")]
mod aslr;
#[allow(unsafe_code, reason = "replaces libc's clock_gettime")]
mod libc_clock;
#[allow(unsafe_code, reason = "replaces libc's getrandom and getentropy")]
mod libc_random;
#[allow(unsafe_code, reason = "replaces libc's syscall, nanosleep and clock_nanosleep")]
mod libc_wait;
pub(crate) mod lockstep;
#[allow(unsafe_code, reason = "sched_setaffinity(2) has no safe binding")]
mod processor;
mod random;
#[allow(unsafe_code, reason = "enters the kernel without libc, whose entry this crate replaces")]
mod raw_syscall;
mod simulation;
mod trace;
mod trace_layer;
mod virtual_clock;

pub use aslr::reexec_without_aslr;
pub use lockstep::client_threads;
pub use processor::PROCESSOR;
pub use simulation::run;
pub use trace::{leave_no_trace, take_trace, trace, trace_hash};
pub use trace_layer::TraceLayer;
pub(crate) use trace_layer::without_log;
pub use virtual_clock::{EPOCH, wall_clock};

/// Appends a line to the trace of the current run: `trace!(host, "applied {seq}")`.
///
/// Does nothing outside a run.
#[macro_export]
macro_rules! trace {
    ($host:expr, $($message:tt)+) => {
        $crate::determinism::trace(&$host, ::std::format_args!($($message)+))
    };
}
pub use crate::trace;
