use std::sync::{Arc, Mutex};

use hyper::Method;
use ms2m::registry::report::TransferReport;

use crate::{
    checkpoint_fixture::Checkpoint,
    command::Node,
    tiny_registry::{Behaviour, Fault, TinyRegistry},
};

const PAGES_BYTES: u64 = 1 << 30;
const PEAK_KIB_MAX: u64 = 64 * 1024;

/// The pushing process's largest resident set so far, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Pushes a gibibyte, and looks at the process when it asks for the manifest's confirmation: everything is sent then.
async fn peak_of_a_push(takes_chunks: bool) -> u64 {
    let pid = Arc::new(Mutex::new(None));
    let peak = Arc::new(Mutex::new(0));
    let (child_pid, seen) = (pid.clone(), peak.clone());
    let look = move || {
        let pid = child_pid.lock().expect("unpoisoned").expect("it runs");
        *seen.lock().expect("unpoisoned") = peak_kib(pid);
    };
    let faults = vec![(Method::HEAD, "/manifests/", Fault::Meanwhile(Arc::new(look)))];
    let behaviour = Behaviour { keeps_blobs: false, takes_chunks, faults, ..Behaviour::default() };
    let registry = TinyRegistry::start(behaviour).await;
    let node = Node::with_archive();
    Checkpoint::of("5f1c").write_sparse(&node.archive(), PAGES_BYTES);

    let child = node.push(&registry, &[]).spawn().expect("started");
    *pid.lock().expect("unpoisoned") = child.id();
    let outcome = node.outcome_of(child).await;
    let TransferReport::Pushed(pushed) = &outcome.report else { panic!("{outcome:?}") };
    assert!(pushed.bytes > PAGES_BYTES);
    *peak.lock().expect("unpoisoned")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_is_pushed_in_constant_memory() {
    for takes_chunks in [true, false] {
        let peak = peak_of_a_push(takes_chunks).await;
        assert!(peak > 0 && peak < PEAK_KIB_MAX, "{peak} KiB, in chunks: {takes_chunks}");
    }
}
