//! What the source's container writes to and a checkpoint does not have: that is its memory and its writable layer, no volume.
//!
//! ```text
//!   made anew from what the cluster has   configMap, secret, downwardAPI, projected, image   may be there
//!   one node's, or one pod's              emptyDir, hostPath, ephemeral, csi, gitRepo        stays behind: refused
//!   another machine's                     persistentVolumeClaim, and everything else         written to by both: refused
//! ```
//!
//! What is mounted read-only is not refused, nor what `spec.uncarriedVolumes` names.

use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use kube::ResourceExt as _;

use crate::{api::reason, protocol::Finding};

/// What speaks against moving `container` with the pod's volumes, of which `uncarried` may stay behind.
pub(super) fn findings(pod: &Pod, container: &str, uncarried: &[String]) -> Vec<Finding> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let is_there = |name: &String| volumes.iter().any(|volume| volume.name == *name);
    let unknown = uncarried.iter().filter(|name| !is_there(name)).map(|name| not_found(pod, name, volumes));
    let container = spec.containers.iter().find(|one| one.name == container);
    let carried = volumes.iter().filter(|volume| !uncarried.contains(&volume.name));
    let refused = carried.filter_map(|volume| not_carried(container?, volume));
    unknown.chain(refused).collect()
}

fn not_found(pod: &Pod, name: &str, volumes: &[Volume]) -> Finding {
    let names: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let pod = pod.name_any();
    let message =
        format!("pod {pod} has no volume {name}, which spec.uncarriedVolumes names; it has {there_are}");
    Finding { reason: reason::VOLUME_NOT_FOUND, message }
}

fn not_carried(container: &Container, volume: &Volume) -> Option<Finding> {
    let (kind, read_only) = kind(volume);
    let (why, harmless) = match kind.as_str() {
        "configMap" | "secret" | "downwardAPI" | "projected" | "image" => return None,
        "emptyDir" => (stays_behind("is empty"), NOT_NEEDED),
        "hostPath" => (stays_behind("is that node's"), NOT_NEEDED),
        "ephemeral" | "csi" | "gitRepo" => (stays_behind("is a new one"), NOT_NEEDED),
        _ => (BOTH_WRITE.to_owned(), "two writers do it no harm"),
    };
    let paths = writable(container, &volume.name);
    if read_only || paths.is_empty() {
        return None;
    }
    let message = format!(
        "container {} can write to volume {} ({kind}) at {}, {why}; mount it read-only, or name it in \
         spec.uncarriedVolumes if {harmless}",
        container.name,
        volume.name,
        paths.join(", ")
    );
    Some(Finding { reason: reason::VOLUME_NOT_CARRIED, message })
}

const NOT_NEEDED: &str = "what is in it need not be there";
/// Which nodes can have a claim stands in the claim, which the operator has no right to read.
const BOTH_WRITE: &str = "to which source and target would write at the same time, and if only one node can have it, the target \
                          cannot start";

fn stays_behind(at_the_target: &str) -> String {
    format!("which a checkpoint does not have, and which at the target {at_the_target}")
}

/// What a volume is, and whether it says itself that nobody writes to it.
fn kind(volume: &Volume) -> (String, bool) {
    // Every kind is a field of its own, and all that can be read-only say so in the same way. One that this program does not
    // know is no field here, and nobody can tell what becomes of its contents.
    let fields = serde_json::to_value(volume).unwrap_or_default();
    let source = fields.as_object().into_iter().flatten().find(|(field, _)| *field != "name");
    source.map_or_else(
        || ("unknown".to_owned(), false),
        |(kind, source)| (kind.clone(), source["readOnly"] == true),
    )
}

/// Where the container can write to the volume: folders, and devices.
fn writable<'a>(container: &'a Container, volume: &str) -> Vec<&'a str> {
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts.filter(|mount| mount.name == volume && mount.read_only != Some(true));
    let devices = container.volume_devices.iter().flatten().filter(|device| device.name == volume);
    let devices = devices.map(|device| device.device_path.as_str());
    mounts.map(|mount| mount.mount_path.as_str()).chain(devices).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(volumes: &Value, mounts: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "counter"},
            "spec": {
                "volumes": volumes,
                "containers": [
                    {"name": "sidecar", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
                    {"name": "counter", "volumeMounts": mounts},
                ],
            },
        }))
        .unwrap()
    }

    /// What is said of a volume `data` that the container mounts at `/data`.
    fn said(kind: &str, source: &Value, read_only: bool) -> Vec<String> {
        let mount = json!([{"name": "data", "mountPath": "/data", "readOnly": read_only}]);
        let findings = findings(&pod(&json!([{"name": "data", kind: source}]), &mount), "counter", &[]);
        assert!(findings.iter().all(|finding| finding.reason == reason::VOLUME_NOT_CARRIED), "{findings:?}");
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn what_would_be_lost_is_refused_with_what_the_target_has_instead() {
        let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {}}});
        let kinds = [
            ("emptyDir", json!({}), "at the target is empty"),
            ("emptyDir", json!({"medium": "Memory"}), "at the target is empty"),
            ("hostPath", json!({"path": "/var/data"}), "at the target is that node's"),
            ("ephemeral", json!({"volumeClaimTemplate": claim}), "at the target is a new one"),
            ("csi", json!({"driver": "d"}), "at the target is a new one"),
        ];
        for (kind, source, instead) in kinds {
            let messages = said(kind, &source, false);
            let whose = format!("container counter can write to volume data ({kind}) at /data, ");
            assert_eq!(messages.len(), 1, "{kind}");
            assert!(messages[0].starts_with(&whose) && messages[0].contains(instead), "{}", messages[0]);
            assert!(
                messages[0].ends_with("spec.uncarriedVolumes if what is in it need not be there"),
                "{}",
                messages[0]
            );
        }
    }

    #[test]
    fn what_both_pods_would_write_to_is_refused_too() {
        let kinds = [
            ("persistentVolumeClaim", json!({"claimName": "orders"})),
            ("nfs", json!({"server": "s", "path": "/"})),
        ];
        for (kind, source) in kinds {
            let messages = said(kind, &source, false);
            assert!(messages[0].contains("would write at the same time"), "{}", messages[0]);
        }
        let unknown = said("teleport", &json!({}), false);
        assert!(unknown[0].contains("data (unknown)"), "{}", unknown[0]);
    }

    #[test]
    fn what_is_made_anew_and_what_is_read_only_is_not_refused() {
        let anew = [
            ("configMap", json!({"name": "c"})),
            ("secret", json!({"secretName": "s"})),
            ("downwardAPI", json!({})),
            ("projected", json!({})),
            ("image", json!({"reference": "i"})),
        ];
        for (kind, source) in anew {
            assert_eq!(said(kind, &source, false), [""; 0], "{kind}");
        }
        for (kind, source) in [("hostPath", json!({"path": "/etc"})), ("emptyDir", json!({}))] {
            assert_eq!(said(kind, &source, true), [""; 0], "{kind}");
        }
        let read_only = json!({"claimName": "orders", "readOnly": true});
        assert_eq!(said("persistentVolumeClaim", &read_only, false), [""; 0]);
    }

    #[test]
    fn every_place_is_named_a_device_too_and_one_read_only_mount_excuses_no_other() {
        let mounts = json!([
            {"name": "data", "mountPath": "/a", "readOnly": true},
            {"name": "data", "mountPath": "/b"},
            {"name": "data", "mountPath": "/c"},
        ]);
        let mut pod = pod(&json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]), &mounts);
        let device = json!([{"name": "data", "devicePath": "/dev/data"}]);
        pod.spec.as_mut().unwrap().containers[1].volume_devices = serde_json::from_value(device).unwrap();
        let findings = findings(&pod, "counter", &[]);
        assert!(findings[0].message.contains(" at /b, /c, /dev/data, "), "{findings:?}");
    }

    #[test]
    fn only_what_is_named_may_stay_behind_and_only_the_moved_container_is_asked_about() {
        let volumes = json!([{"name": "scratch", "emptyDir": {}}, {"name": "data", "emptyDir": {}},
                             {"name": "cache", "emptyDir": {}}]);
        let mounts =
            json!([{"name": "scratch", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}]);
        let found = findings(&pod(&volumes, &mounts), "counter", &["scratch".to_owned()]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("volume data (emptyDir)"), "{found:?}");
    }

    #[test]
    fn a_name_that_no_volume_has_does_not_pass_silently() {
        let volumes = json!([{"name": "scratch", "emptyDir": {}}]);
        let found = findings(&pod(&volumes, &json!([])), "counter", &["scrach".to_owned()]);
        let message = "pod counter has no volume scrach, which spec.uncarriedVolumes names; it has scratch";
        assert_eq!(found, [Finding { reason: reason::VOLUME_NOT_FOUND, message: message.to_owned() }]);
        let none = findings(&pod(&json!([]), &json!([])), "counter", &["scratch".to_owned()]);
        assert!(none[0].message.ends_with("it has none"), "{none:?}");
    }
}
