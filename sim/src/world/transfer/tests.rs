use std::collections::BTreeMap;

use super::*;
use crate::world::Archive;

const NODE: &str = "node-0";
const ARCHIVE: &str = "/checkpoints/one.tar";
const TAGGED: &str = "registry:5000/checkpoints:ms2m-uid";
/// Longer than all that a process tries.
const LONG: Duration = Duration::from_secs(10);

/// Machines with an archive on the node.
fn machines(ailments: &[Ailment]) -> Machines {
    let machines = Machines::default();
    let mut state = machines.lock();
    state.archives.insert((NODE.to_owned(), ARCHIVE.to_owned()), Archive::sample());
    state.ailments.extend(ailments);
    drop(state);
    machines
}

fn started(machines: &Machines, args: &[&str]) -> String {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let spec = ContainerSpec {
        namespace: "default".to_owned(),
        pod: "ms2m-transfer-uid-x7k2p".to_owned(),
        pod_uid: "job-pod-uid".to_owned(),
        container: "transfer".to_owned(),
        attempt: 0,
        image: "ms2m".to_owned(),
        command: words(&["ms2m", "transfer"]),
        args: words(args),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        host_paths: Vec::new(),
        termination_message_path: String::new(),
    };
    start(NODE, machines, &spec).container_id
}

fn push(machines: &Machines) -> String {
    let id = format!("containerd://{}", Archive::sample().container_id);
    started(machines, &["--archive", ARCHIVE, "--image", TAGGED, "--expect-container-id", &id])
}

fn clean(machines: &Machines) -> String {
    let id = Archive::sample().container_id;
    started(
        machines,
        &["--delete-archives", "--dir", "/checkpoints", "--container-id", &id, "--delete", "--image", TAGGED],
    )
}

/// Everything up to an instant, millisecond by millisecond.
fn until(machines: &Machines, end: Duration) {
    for ms in 0..=end.as_millis() {
        machines.carry_out_transfers(Duration::from_millis(u64::try_from(ms).unwrap()));
    }
}

/// Exit code and report of a container that has ended.
fn ended(machines: &Machines, container_id: &str) -> (i32, Option<TransferReport>) {
    let state = machines.lock();
    let exit = state.containers[container_id].exit.borrow().clone().expect("it has ended");
    (exit.code, TransferReport::from_termination_message(&exit.message).ok())
}

fn is_tagged(machines: &Machines) -> bool {
    machines.lock().images.pull(TAGGED).is_some()
}

fn has_blobs(machines: &Machines) -> bool {
    !machines.lock().images.take_blobs(&Archive::sample())
}

fn reached(machines: &Machines) -> Vec<String> {
    machines.lock().reached.take().into_iter().collect()
}

#[test]
fn a_push_sends_blobs_and_then_the_manifest() {
    let machines = machines(&[]);
    let container = push(&machines);
    until(&machines, PUSH / 2);
    assert!(machines.lock().containers[&container].runs() && !is_tagged(&machines));
    until(&machines, PUSH);
    let (code, report) = ended(&machines, &container);
    let Some(TransferReport::Pushed(pushed)) = report else { panic!("{report:?}") };
    assert_eq!((code, pushed.attempts, pushed.digest), (0, 1, Archive::sample().digest()));
    assert!(is_tagged(&machines) && reached(&machines).is_empty());
}

#[test]
fn what_is_there_after_each_fault_that_stays_and_how_the_command_ends() {
    for (ailment, reason, blobs, image) in [
        (Ailment::RegistryDown, Some("RegistryUnavailable"), false, false),
        (Ailment::TruncatesPushes, Some("RegistryUnreachable"), false, false),
        (Ailment::RefusesPushes, Some("RegistryForbidden"), false, false),
        (Ailment::RefusesManifests, Some("RegistryUnavailable"), true, false),
        (Ailment::LosesPushAnswers, Some("RegistryUnreachable"), true, true),
        (Ailment::CrashesTransfers, None, true, false),
    ] {
        let machines = machines(&[ailment]);
        let container = push(&machines);
        until(&machines, LONG);
        let (code, report) = ended(&machines, &container);
        let said = report.map(|report| match report {
            TransferReport::Error(failure) => failure.reason.as_str(),
            other => panic!("{ailment:?}: {other:?}"),
        });
        assert_eq!(said, reason, "{ailment:?}");
        // What may pass is for the Job to try again.
        let ends = match ailment {
            Ailment::RefusesPushes => 1,
            Ailment::CrashesTransfers => 137,
            _ => 75,
        };
        assert_eq!(code, ends, "{ailment:?}");
        assert_eq!((has_blobs(&machines), is_tagged(&machines)), (blobs, image), "{ailment:?}");
    }
}

#[test]
fn a_step_is_tried_four_times_within_two_seconds() {
    let machines = machines(&[Ailment::TruncatesPushes]);
    let container = push(&machines);
    let before = PUSH / 2 + Duration::from_millis(250 + 500 + 999);
    until(&machines, before);
    assert!(machines.lock().containers[&container].runs());
    until(&machines, before + Duration::from_millis(1));
    assert_eq!(ended(&machines, &container).0, 75);
}

#[test]
fn a_push_goes_on_where_it_was_when_the_registry_is_back_in_time() {
    for (ailment, uploads) in [(Ailment::TruncatesPushes, 4), (Ailment::LosesPushAnswers, 1)] {
        let machines = machines(&[ailment]);
        let container = push(&machines);
        until(&machines, PUSH + Duration::from_millis(600));
        machines.lock().ailments.clear();
        until(&machines, LONG);
        let (_, report) = ended(&machines, &container);
        let Some(TransferReport::Pushed(pushed)) = report else { panic!("{ailment:?}: {report:?}") };
        assert_eq!(pushed.attempts, uploads, "{ailment:?}");
        let unheard = reached(&machines).contains(&"pushed, and the answer lost".to_owned());
        assert_eq!(unheard, ailment == Ailment::LosesPushAnswers);
    }
}

#[test]
fn a_push_over_blobs_that_are_there_gives_the_same_image() {
    let machines = machines(&[Ailment::RefusesManifests]);
    push(&machines);
    until(&machines, LONG);
    assert!(reached(&machines).is_empty());
    machines.lock().ailments.clear();
    let second = push(&machines);
    until(&machines, LONG);
    assert_eq!((ended(&machines, &second).0, is_tagged(&machines)), (0, true));
    assert_eq!(reached(&machines), ["pushed again over blobs that were there"]);
}

#[test]
fn a_transfer_that_is_killed_halfway_leaves_blobs_and_no_image() {
    let machines = machines(&[]);
    let container = push(&machines);
    until(&machines, PUSH / 2);
    let killed = Exit { code: 137, message: String::new() };
    machines.exited(&container, killed, PUSH / 2);
    until(&machines, LONG);
    assert_eq!((has_blobs(&machines), is_tagged(&machines)), (true, false));
    assert_eq!(reached(&machines), ["transfer killed in the middle of a push"]);
}

#[test]
fn a_clean_up_deletes_the_archives_also_where_the_registry_is_down_and_the_image_when_it_is_back() {
    let machines = machines(&[]);
    push(&machines);
    until(&machines, PUSH);
    machines.lock().ailments.insert(Ailment::RegistryDown);
    let first = clean(&machines);
    until(&machines, PUSH);
    assert_eq!((ended(&machines, &first).0, is_tagged(&machines)), (75, true));
    assert!(machines.lock().archives.is_empty());
    machines.lock().ailments.clear();
    let second = clean(&machines);
    until(&machines, PUSH);
    let (code, report) = ended(&machines, &second);
    let Some(TransferReport::Cleaned(cleaned)) = report else { panic!("{report:?}") };
    assert_eq!((code, cleaned.archives_deleted), (0, 0));
    assert!(cleaned.image.is_some() && !is_tagged(&machines));
}
