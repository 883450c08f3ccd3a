//! `cargo sim` as a program: what it says, and with which exit code it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use ms2m_sim::plan::{Plan, Scenario};

fn sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ms2m-sim"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output, standard error.
fn heard(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn said(arguments: &[&str]) -> (Option<i32>, String, String) {
    heard(&sim(arguments).output().unwrap())
}

#[test]
fn what_makes_no_sense_ends_with_2_and_a_way_out() {
    for (arguments, piece) in [
        (&["run", "--plan", "/nowhere/plan.json"][..], "/nowhere/plan.json cannot be read"),
        (&["explain", "/nowhere/plan.json"], "/nowhere/plan.json cannot be read"),
        (&["shrink", "/nowhere/plan.json"], "/nowhere/plan.json cannot be read"),
        (&["run", "--plan", "Cargo.toml"], "`cargo sim plan --seed N` writes one"),
        (&["run", "--plan", "x.json", "--random"], "cannot be used with"),
        (&["run", "--fault", "kill-source"], "write kind@step"),
        (&["run", "--fault", "kill-source@Pending#1"], "is about workload 1, of 1"),
        (&["run", "--rate", "0"], "between 0.1 and 10000"),
        (&["run", "--mistake", "none"], "none"),
        (&["sweep"], "--seeds"),
        (&["sweep", "--seeds", "5..5"], "written like 0..10"),
        (&["sweep", "--time", "10"], "90s, 10m or 1h"),
        (&["matrix", "--part", "3/2"], "such as 2/6"),
        (&["matrix", "--bless", "--part", "1/2"], "leave out --part 1/2"),
        (&["mutants", "--only", "Nothing"], "app/src/seeded_bug.rs lists them"),
        (&["mutants", "--plans", "nowhere"], "the plans that are kept are in sim/corpus"),
        (&["check-determinism", "--seeds", "1"], "written like 0..10"),
        (&["check-determinism", "--seed", "3", "--seeds", "0..2"], "cannot be used with"),
        (&["dance"], "--help"),
    ] {
        let (code, _, complaint) = said(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(piece), "{arguments:?}: {complaint}");
    }
}

/// The process that does a run's work, once it is there.
fn worker(supervisor: u32) -> String {
    for _ in 0..600 {
        let tasks = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        if let Some(worker) = children.collect::<String>().split_whitespace().next() {
            return worker.to_owned();
        }
        sleep(Duration::from_millis(50));
    }
    panic!("{supervisor} has started nothing in half a minute");
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-KILL", process]).status().unwrap().success());
}

/// A run that takes far longer than it takes to find it.
const LONG: [&str; 6] = ["run", "--seed", "5", "--rate", "2000", "--json"];

#[test]
fn a_run_that_dies_ends_with_4_and_how_to_do_it_again_and_its_plan_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let failures = folder.path().display().to_string();
    let supervisor = sim(&[&LONG[..], &["--failures", &failures]].concat()).spawn().unwrap();
    kill(&worker(supervisor.id()));
    let (code, out, complaint) = heard(&supervisor.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (Some(4), ""), "{complaint}");
    assert!(complaint.contains("error: the run crashed (signal: 9"), "{complaint}");
    let file = folder.path().join("run-seed-5-rate-2000-producers-3.json");
    let again = "REPRODUCE WITH: cargo sim run --seed 5 --rate 2000 --producers 3";
    assert!(complaint.ends_with(&format!("{again}\n  plan: {}\n", file.display())), "{complaint}");
    assert_eq!(Plan::load(&file).unwrap(), Plan::from(Scenario::new(5).at_rate(2_000.0, 3)));
}

#[test]
fn a_run_ends_with_the_one_who_asked_for_it() {
    let mut supervisor = sim(&LONG).spawn().unwrap();
    let worker = worker(supervisor.id());
    // It asks for that itself, when it has started: a name of its own thread shows that it has.
    let running = || {
        let tasks = fs::read_dir(format!("/proc/{worker}/task")).into_iter().flatten().flatten();
        tasks
            .map(|task| task.path().join("comm"))
            .any(|comm| fs::read_to_string(comm).is_ok_and(|name| name.starts_with("sim-")))
    };
    let until = |what: &str, come: &dyn Fn() -> bool| {
        assert!(
            (0..600).any(|_| come() || {
                sleep(Duration::from_millis(50));
                false
            }),
            "{what}"
        );
    };
    until("it does not begin", &running);
    kill(&supervisor.id().to_string());
    supervisor.wait().unwrap();
    until("it goes on", &|| !running());
}

#[test]
fn the_first_interrupt_of_a_sweep_ends_it_with_what_ran_and_the_second_at_once() {
    let interrupt = |sweep: u32| {
        assert!(Command::new("kill").args(["-INT", &sweep.to_string()]).status().unwrap().success());
    };
    let folder = tempfile::tempdir().unwrap();
    let failures = folder.path().display().to_string();
    let many = ["sweep", "--seeds", "4..5000", "--jobs", "1", "--failures", &failures];
    let sweep = sim(&many).spawn().unwrap();
    worker(sweep.id());
    interrupt(sweep.id());
    let (code, out, complaint) = heard(&sweep.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{out}{complaint}");
    assert!(out.starts_with("interrupted; this is what ran until then\n1 runs in "), "{out}");

    let sweep = sim(&many).spawn().unwrap();
    worker(sweep.id());
    interrupt(sweep.id());
    interrupt(sweep.id());
    let (code, out, complaint) = heard(&sweep.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (Some(130), ""), "{complaint}");
}

#[test]
fn a_plan_with_its_story_is_run_and_where_it_holds_is_nothing_to_shrink() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.json");
    let plan = Plan::from(Scenario::new(3).at_rate(2.0, 1)).to_json();
    fs::write(&file, format!(r#"{{ "story": "It went wrong.", "ends": ["Completed"], "plan": {plan} }}"#))
        .unwrap();
    let file = file.display().to_string();
    let (code, out, complaint) = said(&["explain", &file]);
    let nothing = "Every invariant holds: there is nothing to explain.\n";
    assert_eq!((code, out.as_str()), (Some(0), nothing), "{complaint}");
    let (code, _, complaint) = said(&["shrink", &file]);
    let refused = "error: the plan breaks nothing: every invariant holds\n";
    assert_eq!((code, complaint.as_str()), (Some(2), refused));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn hashes_are_written_under_load_and_compared_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hashes");
    let name = file.display().to_string();
    let twice = ["check-determinism", "--seeds", "3..4", "--rate", "2", "--load", "2", "--hashes", &name];
    let (code, out, complaint) = said(&twice);
    assert_eq!(code, Some(0), "{out}{complaint}");
    assert!(out.starts_with("seed 3: ") && out.contains(" lines, identical · "), "{out}");
    let written = fs::read_to_string(&file).unwrap();
    let hash = written.strip_prefix("3 ").unwrap().trim_end();
    assert!(hash.len() == 16 && out.trim_end().ends_with(hash), "{written} {out}");

    fs::write(&file, "3 0123456789abcdef\n").unwrap();
    let (code, out, complaint) = said(&twice);
    assert_eq!(code, Some(1), "{out}{complaint}");
    assert!(out.contains(&format!("seed 3: {hash} now, 0123456789abcdef in ")), "{out}");
}
