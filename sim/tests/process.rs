//! What can only be seen in a process of its own: how it starts, and what its first run does to the second.

use std::{env, fs};

use k8s_openapi::api::core::v1::Pod;
use ms2m_app::io::{Entropy as _, OsEntropy};
use ms2m_sim::determinism::{reexec_without_aslr, run};

/// Linux's `ADDR_NO_RANDOMIZE`, as `/proc/self/personality` shows it.
const NO_RANDOMIZE: u32 = 0x004_0000;

fn main() {
    const ARGUMENT: &str = "kept across the second start";

    if !env::args().any(|argument| argument == ARGUMENT) {
        let status = std::process::Command::new("/proc/self/exe").arg(ARGUMENT).status();
        assert!(status.expect("this program starts again").success());
        println!("test process ... ok");
        return;
    }
    reexec_without_aslr();
    match fs::read_to_string("/proc/self/personality").map(|text| u32::from_str_radix(text.trim(), 16)) {
        Ok(Ok(personality)) if personality & NO_RANDOMIZE != 0 => println!("addresses are not randomised"),
        other => println!(
            "skipped: this machine does not let a program turn address randomisation off ({other:?})"
        ),
    }
    first_run_is_like_the_second();
}

/// kube's stores keep a random value for the whole process, drawn when the first one is made.
fn first_run_is_like_the_second() {
    let draw = || {
        let before = OsEntropy.token();
        let store = kube::runtime::reflector::store::<Pod>();
        (before, OsEntropy.token(), drop(store))
    };
    assert_eq!(run(1, draw), run(1, draw));
}
