//! The two Jobs on the source's node: `ms2m transfer`, which pushes the checkpoint archive, and its undo.
//!
//! Their pods are as weak as the task allows: an archive is `0600 root`, so they run as root, but with no capability,
//! no service account token, a read-only root, and one folder of the node, which the push may only read.

use std::path::Path;

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
        },
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, HostPathVolumeSource, PodSpec, PodTemplateSpec,
            ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Toleration, Volume,
            VolumeMount,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::MigrationRef;
use crate::{api::TransferSpec, protocol::names, registry::report::EXIT_PERMANENT};

/// Label on a Job and its pods: which of the two it is.
pub const LABEL_ROLE: &str = "migration.ms2m.io/role";
/// The role of the Job that pushes.
pub const ROLE_TRANSFER: &str = "transfer";
/// The role of the Job that deletes.
pub const ROLE_CLEANUP: &str = "cleanup";

/// Where the push Secret is mounted.
const PUSH_SECRET_DIR: &str = "/etc/ms2m/push";
/// Where the registry's certificate authority is mounted.
const CA_DIR: &str = "/etc/ms2m/ca";
const TERMINATION_LOG: &str = "/dev/termination-log";
/// A finished Job stays this long for whoever wants its log, should the operator never come back.
const TTL_SECS: i32 = 3_600;
const RETRIES: i32 = 2;

/// What both Jobs have in common.
#[derive(Clone, Debug)]
pub struct TransferJob<'a> {
    /// The migration.
    pub migration: &'a MigrationRef,
    /// How the checkpoint travels.
    pub transfer: &'a TransferSpec,
    /// Image that has `ms2m`: what the spec names, where the operator runs that.
    pub image: &'a str,
    /// The source's node.
    pub node: &'a str,
    /// The runtime's id of the container whose archive it is.
    pub container_id: &'a str,
    /// How long it may take, in seconds.
    pub deadline_secs: u64,
}

/// Where the archive to push is, and what it must be.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveToPush<'a> {
    /// Its path on the node.
    pub path: &'a str,
    /// Name of the container.
    pub container: &'a str,
    /// UID of the pod.
    pub pod_uid: &'a str,
}

/// What the clean-up deletes.
#[derive(Clone, Copy, Debug)]
pub struct Leftovers<'a> {
    /// Folder of the node that has the archives.
    pub dir: &'a str,
    /// The image, by digest.
    pub image: Option<&'a str>,
    /// Whether an image may be there under its tag.
    pub by_tag: bool,
}

impl TransferJob<'_> {
    /// The Job that pushes an archive.
    pub fn push(&self, archive: &ArchiveToPush<'_>) -> Job {
        let mut args = words(&["transfer", "--archive", archive.path, "--image", &self.tagged_image()]);
        args.extend(words(&["--container", archive.container, "--expect-pod-uid", archive.pod_uid]));
        args.extend(words(&["--expect-container-id", self.container_id]));
        args.extend(self.registry_args());
        let folder = Path::new(archive.path).parent().and_then(Path::to_str).unwrap_or("/");
        let name = names::transfer_job(&self.migration.uid);
        self.job(name, ROLE_TRANSFER, args, &Folder { path: folder, writable: false })
    }

    /// The Job that deletes archives and image.
    pub fn cleanup(&self, leftovers: &Leftovers<'_>) -> Job {
        let mut args = words(&["transfer", "--delete-archives", "--dir", leftovers.dir]);
        args.extend(words(&["--container-id", self.container_id]));
        let tagged = self.tagged_image();
        let image = leftovers.image.or(leftovers.by_tag.then_some(tagged.as_str()));
        if let Some(image) = image {
            args.extend(words(&["--delete", "--image", image]));
        }
        args.extend(self.registry_args());
        let name = names::cleanup_job(&self.migration.uid);
        self.job(name, ROLE_CLEANUP, args, &Folder { path: leftovers.dir, writable: true })
    }

    fn tagged_image(&self) -> String {
        format!("{}:{}", self.transfer.repository, names::image_tag(&self.migration.uid))
    }

    fn registry_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if self.transfer.push_secret.is_some() {
            args.extend(["--docker-config".to_owned(), format!("{PUSH_SECRET_DIR}/.dockerconfigjson")]);
        }
        if self.transfer.ca_config_map.is_some() {
            args.extend(["--ca-file".to_owned(), format!("{CA_DIR}/ca.crt")]);
        }
        args.extend(["--timeout-seconds".to_owned(), self.deadline_secs.to_string()]);
        args.extend(words(&["--termination-log", TERMINATION_LOG]));
        args
    }

    fn job(&self, name: String, role: &str, args: Vec<String>, folder: &Folder<'_>) -> Job {
        let mut labels = self.migration.labels();
        labels.insert(LABEL_ROLE.to_owned(), role.to_owned());
        let metadata = |name| ObjectMeta {
            name,
            labels: Some(labels.clone()),
            annotations: Some(self.migration.annotations()),
            ..Default::default()
        };
        Job {
            metadata: ObjectMeta {
                namespace: Some(self.migration.namespace.clone()),
                owner_references: Some(vec![self.migration.owner_reference()]),
                ..metadata(Some(name))
            },
            spec: Some(JobSpec {
                active_deadline_seconds: Some(i64::try_from(self.deadline_secs).unwrap_or(i64::MAX)),
                backoff_limit: Some(RETRIES),
                pod_failure_policy: Some(stop_at_permanent_failures(role)),
                ttl_seconds_after_finished: Some(TTL_SECS),
                template: PodTemplateSpec {
                    metadata: Some(metadata(None)),
                    spec: Some(self.pod_spec(role, args, folder)),
                },
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn pod_spec(&self, role: &str, args: Vec<String>, folder: &Folder<'_>) -> PodSpec {
        let (volumes, volume_mounts) = self.mounts(folder);
        PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            containers: vec![Container {
                name: role.to_owned(),
                image: Some(self.image.to_owned()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                args: Some(args),
                resources: Some(resources()),
                security_context: Some(weak_root()),
                termination_message_path: Some(TERMINATION_LOG.to_owned()),
                termination_message_policy: Some("File".to_owned()),
                volume_mounts: Some(volume_mounts),
                ..Default::default()
            }],
            node_name: Some(self.node.to_owned()),
            restart_policy: Some("Never".to_owned()),
            // The archive is on this node, whatever else the node refuses to run.
            tolerations: Some(vec![Toleration { operator: Some("Exists".to_owned()), ..Default::default() }]),
            volumes: Some(volumes),
            ..Default::default()
        }
    }

    fn mounts(&self, folder: &Folder<'_>) -> (Vec<Volume>, Vec<VolumeMount>) {
        // A folder that is not there holds no archive: nothing to push, but the clean-up is already done.
        let kind = if folder.writable { "DirectoryOrCreate" } else { "Directory" };
        let host_path = HostPathVolumeSource { path: folder.path.to_owned(), type_: Some(kind.to_owned()) };
        let mut volumes =
            vec![Volume { name: "checkpoints".to_owned(), host_path: Some(host_path), ..Default::default() }];
        let mount = |name: &str, path: &str, writable: bool| VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            read_only: Some(!writable),
            ..Default::default()
        };
        let mut mounts = vec![mount("checkpoints", folder.path, folder.writable)];
        if let Some(secret) = &self.transfer.push_secret {
            let source = SecretVolumeSource { secret_name: Some(secret.clone()), ..Default::default() };
            volumes.push(Volume { name: "push".to_owned(), secret: Some(source), ..Default::default() });
            mounts.push(mount("push", PUSH_SECRET_DIR, false));
        }
        if let Some(map) = &self.transfer.ca_config_map {
            let source = ConfigMapVolumeSource { name: map.clone(), ..Default::default() };
            volumes.push(Volume { name: "ca".to_owned(), config_map: Some(source), ..Default::default() });
            mounts.push(mount("ca", CA_DIR, false));
        }
        (volumes, mounts)
    }
}

/// The folder of the node that holds archives, mounted under its own path.
struct Folder<'a> {
    path: &'a str,
    writable: bool,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Repeating does not mend what the program itself calls permanent.
fn stop_at_permanent_failures(container: &str) -> PodFailurePolicy {
    let requirement = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(container.to_owned()),
        operator: "In".to_owned(),
        values: vec![i32::from(EXIT_PERMANENT)],
    };
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: Some(requirement),
            ..Default::default()
        }],
    }
}

fn weak_root() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Default::default() }),
        read_only_root_filesystem: Some(true),
        run_as_group: Some(0),
        run_as_non_root: Some(false),
        run_as_user: Some(0),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..Default::default() }),
        ..Default::default()
    }
}

fn resources() -> ResourceRequirements {
    let amounts = |cpu: Option<&str>, memory: &str| {
        let cpu = cpu.map(|cpu| ("cpu".to_owned(), Quantity(cpu.to_owned())));
        cpu.into_iter().chain([("memory".to_owned(), Quantity(memory.to_owned()))]).collect()
    };
    ResourceRequirements {
        requests: Some(amounts(Some("100m"), "64Mi")),
        // No CPU limit: the transfer's time is the user's.
        limits: Some(amounts(None, "256Mi")),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration() -> MigrationRef {
        MigrationRef { namespace: "shop".to_owned(), name: "move-counter".to_owned(), uid: "m-1".to_owned() }
    }

    fn transfer() -> TransferSpec {
        TransferSpec {
            repository: "registry.example.com/checkpoints".to_owned(),
            push_secret: Some("push".to_owned()),
            image: None,
            ca_config_map: Some("registry-ca".to_owned()),
        }
    }

    fn job<'a>(migration: &'a MigrationRef, transfer: &'a TransferSpec) -> TransferJob<'a> {
        TransferJob {
            migration,
            transfer,
            image: "ms2m:latest",
            node: "node-a",
            container_id: "containerd://c1",
            deadline_secs: 600,
        }
    }

    #[test]
    fn the_push_reads_one_folder_and_knows_what_it_expects() {
        let (migration, transfer) = (migration(), transfer());
        let archive = ArchiveToPush {
            path: "/var/lib/kubelet/checkpoints/checkpoint-counter_shop-counter-2026-01-01T00:00:00Z.tar",
            container: "counter",
            pod_uid: "u-1",
        };
        insta::assert_yaml_snapshot!(job(&migration, &transfer).push(&archive));
    }

    #[test]
    fn the_clean_up_writes_the_folder_and_deletes_the_image_by_digest() {
        let (migration, transfer) = (migration(), transfer());
        let image = format!("registry.example.com/checkpoints@sha256:{}", "a".repeat(64));
        let leftovers = Leftovers { dir: "/var/lib/kubelet/checkpoints", image: Some(&image), by_tag: false };
        insta::assert_yaml_snapshot!(job(&migration, &transfer).cleanup(&leftovers));
    }

    #[test]
    fn the_clean_up_deletes_an_image_of_unknown_digest_by_tag_and_a_kept_one_not_at_all() {
        let migration = migration();
        let transfer = TransferSpec { push_secret: None, ca_config_map: None, ..transfer() };
        let args = |by_tag| {
            let leftovers = Leftovers { dir: "/c", image: None, by_tag };
            let job = job(&migration, &transfer).cleanup(&leftovers);
            job.spec.unwrap().template.spec.unwrap().containers[0].args.clone().unwrap().join(" ")
        };
        let end = "--timeout-seconds 600 --termination-log /dev/termination-log";
        let archives = "transfer --delete-archives --dir /c --container-id containerd://c1";
        let image = "--delete --image registry.example.com/checkpoints:ms2m-m-1";
        assert_eq!(args(true), format!("{archives} {image} {end}"));
        assert_eq!(args(false), format!("{archives} {end}"));
    }
}
