use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{simulation::Simulation, virtual_clock};

/// Appends `message` of `host` to the current run's trace, with the simulated time to the microsecond.
///
/// Does nothing outside a run, so that a simulated server may also be served for real. Use the macro
/// [`trace!`](crate::trace!).
pub fn trace(host: &dyn fmt::Display, message: fmt::Arguments<'_>) {
    let (Some(simulation), Some(elapsed)) = (Simulation::current(), virtual_clock::elapsed()) else { return };
    if simulation.leaves_no_trace() {
        return;
    }
    let (seconds, micros) = (elapsed.as_secs(), elapsed.subsec_micros());
    let host = host.to_string();
    simulation.append(format!("{seconds:>5}.{micros:06} {host:<12} {message}"));
}

/// From now on the current run traces nothing: it goes the same way, and faster.
pub fn leave_no_trace() {
    if let Some(simulation) = Simulation::current() {
        simulation.leave_no_trace();
    }
}

/// Takes the lines that the current run has traced so far; empty outside a run.
///
/// Take them before the simulation is dropped: what its tasks trace while they are dropped has no certain order.
pub fn take_trace() -> Vec<String> {
    Simulation::current().map(|simulation| simulation.take_trace()).unwrap_or_default()
}

/// A short digest of `trace`, the same in every process and on every machine: 16 hexadecimal digits.
pub fn trace_hash(trace: &[String]) -> String {
    use fmt::Write as _;

    let mut digest = Sha256::new();
    for line in trace {
        digest.update(line);
        digest.update([b'\n']);
    }
    digest.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
