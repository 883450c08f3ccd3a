use std::{collections::BTreeMap, time::Duration};

use ms2m::registry::report::Pushed;
use turmoil::Sim;

use super::*;
use crate::{
    kubelet::{HostPathMount, Runtime as _},
    network,
    plan::Pace,
    world::{SimRuntime, registry_host},
};

const NODE: &str = "node-0";
const FOLDER: &str = "/checkpoints";
const ARCHIVE: &str = "/checkpoints/one.tar";
const TAGGED: &str = "registry:5000/checkpoints:ms2m-uid";
/// Longer than a push takes where nothing fails.
const PUSH: Duration = Duration::from_secs(1);
/// Longer than all that a process tries.
const LONG: Duration = Duration::from_secs(10);

/// A node with an archive, and a registry.
struct World<'a> {
    sim: Sim<'a>,
    machines: Machines,
    started: u32,
}

impl World<'_> {
    fn new(ailments: &[Ailment]) -> Self {
        let machines = Machines::default();
        {
            let (mut state, archive) = (machines.lock(), Archive::sample());
            state.checkpoints.insert(archive.digest(), archive.clone());
            state.archives.insert((NODE.to_owned(), ARCHIVE.to_owned()), archive);
            state.ailments.extend(ailments);
        }
        let mut sim = network::sim_builder(1).build();
        let served = machines.clone();
        sim.host(registry_host::HOST, move || registry_host::run(served.clone()));
        Self { sim, machines, started: 0 }
    }

    /// Starts the command in a pod that may delete archives where `may_write`.
    fn start(&mut self, args: &[&str], may_write: bool) -> String {
        self.started += 1;
        let pod = format!("ms2m-transfer-{}", self.started);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let spec = ContainerSpec {
            namespace: "default".to_owned(),
            pod: pod.clone(),
            pod_uid: "job-pod-uid".to_owned(),
            container: "transfer".to_owned(),
            attempt: 0,
            image: "ms2m".to_owned(),
            command: words(&["ms2m"]),
            args: words(&[&["transfer"], args].concat()),
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            host_paths: vec![HostPathMount {
                host: FOLDER.to_owned(),
                container: FOLDER.to_owned(),
                read_only: !may_write,
            }],
            termination_message_path: String::new(),
        };
        let runtime = SimRuntime::new(NODE, self.machines.clone(), Pace::default());
        self.sim.client(format!("kubelet-{}", self.started), async move {
            runtime.start(spec).await.expect("it is started");
            Ok(())
        });
        pod
    }

    fn push(&mut self) -> String {
        let id = format!("containerd://{}", Archive::sample().container_id);
        let args = ["--archive", ARCHIVE, "--image", TAGGED, "--container", "counter"];
        self.start(&[&args[..], &["--expect-container-id", &id]].concat(), false)
    }

    fn clean(&mut self) -> String {
        let id = Archive::sample().container_id;
        let archives = ["--delete-archives", "--dir", FOLDER, "--container-id", &id];
        self.start(&[&archives[..], &["--delete", "--image", TAGGED]].concat(), true)
    }

    /// Goes on for that long.
    fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.machines.serve(&mut self.sim);
            self.sim.step().expect("it goes on");
        }
    }

    fn container(&self, pod: &str) -> String {
        let state = self.machines.lock();
        let mut found = state.containers.iter().filter(|(_, container)| container.pod == pod);
        found.next().map(|(id, _)| id.clone()).expect("it was started")
    }

    /// Exit code and report of a container that has ended.
    fn ended(&self, pod: &str) -> (i32, Option<TransferReport>) {
        let (id, state) = (self.container(pod), self.machines.lock());
        let exit = state.containers[&id].exit.borrow().clone().expect("it has ended");
        (exit.code, TransferReport::from_termination_message(&exit.message).ok())
    }

    fn pushed(&self, pod: &str) -> Pushed {
        match self.ended(pod) {
            (0, Some(TransferReport::Pushed(pushed))) => pushed,
            other => panic!("{other:?}"),
        }
    }

    fn is_tagged(&self) -> bool {
        self.machines.lock().checkpoint_images().iter().any(|image| image.tags == ["ms2m-uid"])
    }

    fn has_blobs(&self) -> bool {
        self.machines.lock().registry().blob(&Archive::sample().digest()).is_some()
    }

    fn reached(&self) -> Vec<String> {
        self.machines.lock().reached.take().into_iter().collect()
    }
}

#[test]
fn a_push_gives_an_image_and_says_whose_it_is() {
    let mut world = World::new(&[]);
    let pod = world.push();
    world.pass(PUSH);
    let pushed = world.pushed(&pod);
    assert_eq!((pushed.attempts, pushed.archive.pod_uid.as_deref()), (1, Some("pod-uid")));
    let state = world.machines.lock();
    let image = state.checkpoint_image(&pushed.digest).expect("it is served");
    assert_eq!((image.tags, image.archive.serial), (vec!["ms2m-uid".to_owned()], 1));
    let handled =
        Handling { job_pod: pod, deed: Handled::Pushed("ms2m-uid".into()), of_pod: "pod-uid".into() };
    assert_eq!(state.handlings, [handled]);
    drop(state);
    assert_eq!(world.reached(), [""; 0]);
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
        let mut world = World::new(&[ailment]);
        let pod = world.push();
        world.pass(LONG);
        let (code, report) = world.ended(&pod);
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
        assert_eq!((world.has_blobs(), world.is_tagged()), (blobs, image), "{ailment:?}");
        assert!(world.machines.lock().times_met(ailment) > 0, "{ailment:?}");
    }
}

#[test]
fn a_push_goes_on_where_it_was_when_the_registry_is_back_in_time() {
    for (ailment, uploads) in [(Ailment::TruncatesPushes, 2..=4), (Ailment::LosesPushAnswers, 1..=1)] {
        let mut world = World::new(&[ailment]);
        let pod = world.push();
        world.pass(PUSH + Duration::from_millis(100));
        world.machines.lock().ailments.clear();
        world.pass(LONG);
        let attempts = world.pushed(&pod).attempts;
        assert!(uploads.contains(&attempts), "{ailment:?}: {attempts}");
        let unheard = world.reached().contains(&"pushed, and the answer lost".to_owned());
        assert_eq!(unheard, ailment == Ailment::LosesPushAnswers);
    }
}

#[test]
fn a_registry_that_says_nothing_is_asked_again_after_half_a_minute() {
    let mut world = World::new(&[Ailment::RegistryHangs]);
    world.pass(PUSH);
    assert_eq!(world.machines.lock().times_met(Ailment::RegistryHangs), 0, "nobody has asked it");
    let pod = world.push();
    world.pass(PUSH);
    assert!(world.machines.lock().times_met(Ailment::RegistryHangs) > 0);
    world.machines.lock().ailments.clear();
    world.pass(Duration::from_secs(29));
    let id = world.container(&pod);
    assert!(world.machines.lock().containers[&id].runs());
    world.pass(Duration::from_secs(3));
    assert_eq!(world.pushed(&pod).attempts, 2);
}

#[test]
fn a_push_over_blobs_that_are_there_gives_the_same_image() {
    let mut world = World::new(&[Ailment::RefusesManifests]);
    world.push();
    world.pass(LONG);
    assert_eq!(world.reached(), [""; 0]);
    world.machines.lock().ailments.clear();
    let second = world.push();
    world.pass(LONG);
    assert_eq!((world.ended(&second).0, world.is_tagged()), (0, true));
    assert_eq!(world.reached(), ["pushed again over blobs that were there"]);
}

#[test]
fn a_transfer_that_is_killed_halfway_leaves_blobs_and_no_image() {
    let mut world = World::new(&[Ailment::CrashesTransfers]);
    world.push();
    world.pass(LONG);
    assert_eq!((world.has_blobs(), world.is_tagged()), (true, false));
    assert_eq!(world.reached(), ["transfer killed in the middle of a push"]);
}

#[test]
fn a_clean_up_deletes_the_archives_also_where_the_registry_is_down_and_the_image_when_it_is_back() {
    let mut world = World::new(&[]);
    world.push();
    world.pass(PUSH);
    world.machines.lock().ailments.insert(Ailment::RegistryDown);
    let first = world.clean();
    world.pass(LONG);
    assert_eq!((world.ended(&first).0, world.is_tagged()), (75, true));
    assert!(world.machines.lock().archives.is_empty());
    world.machines.lock().ailments.clear();
    let second = world.clean();
    world.pass(LONG);
    let (code, report) = world.ended(&second);
    let Some(TransferReport::Cleaned(cleaned)) = report else { panic!("{report:?}") };
    assert_eq!((code, cleaned.archives_deleted), (0, 0));
    assert!(cleaned.image.is_some() && !world.is_tagged());
    let deeds = world.machines.lock().handlings.iter().map(|it| it.deed.clone()).collect::<Vec<_>>();
    assert_eq!(deeds[1..], [Handled::ArchiveDeleted, Handled::ImageDeleted]);
}

#[test]
fn a_folder_that_is_mounted_to_be_read_loses_nothing() {
    let mut world = World::new(&[]);
    let id = Archive::sample().container_id;
    let pod = world.start(&["--delete-archives", "--dir", FOLDER, "--container-id", &id], false);
    world.pass(PUSH);
    let (code, report) = world.ended(&pod);
    assert!(
        matches!(&report, Some(TransferReport::Error(failure)) if failure.message.contains("read-only")),
        "{report:?}"
    );
    assert!(code != 0 && world.machines.lock().archives.len() == 1);
}
