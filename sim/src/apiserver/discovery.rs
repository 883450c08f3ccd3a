use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource::Catalogue;

/// The documents that say what the server is and knows.
pub(super) fn document(catalogue: &Catalogue, path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["healthz" | "readyz" | "livez"] => Some(json!("ok")),
        ["version"] => Some(json!({
            "major": "1",
            "minor": "36",
            "gitVersion": "v1.36.0",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": "",
            "platform": "linux/amd64",
        })),
        ["api"] => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        ["apis"] => Some(groups(catalogue)),
        ["api", version] => resources(catalogue, "", version),
        ["apis", group, version] => resources(catalogue, group, version),
        _ => None,
    }
}

fn groups(catalogue: &Catalogue) -> Value {
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    for resource in catalogue.iter().filter(|resource| !resource.group.is_empty()) {
        versions.insert(&resource.group, &resource.version);
    }
    let groups: Vec<Value> = versions
        .into_iter()
        .map(|(group, version)| {
            let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
            json!({ "name": group, "versions": [version], "preferredVersion": version })
        })
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resources(catalogue: &Catalogue, group: &str, version: &str) -> Option<Value> {
    let known: Vec<Value> = catalogue
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .flat_map(|resource| resource.discovery())
        .collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!known.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": known,
        })
    })
}
