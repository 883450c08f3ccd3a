use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Volume, VolumeMount, VolumeProjection,
};

use super::{
    HostPathMount,
    reference::{ConfigError, References},
};

/// What is mounted into one container.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) files: BTreeMap<String, String>,
    pub(super) host_paths: Vec<HostPathMount>,
}

/// What a volume holds.
enum Content {
    /// Files by their path in the volume.
    Files(BTreeMap<String, String>),
    /// A folder of the node.
    Host(String),
    /// An empty folder; a container has one wherever it writes.
    Empty,
}

/// Puts together what is mounted into `container`.
pub(super) async fn mounts(
    references: &References<'_>,
    volumes: &[Volume],
    container: &Container,
) -> Result<Mounts, ConfigError> {
    let mut mounts = Mounts::default();
    for mount in container.volume_mounts.iter().flatten() {
        let Some(volume) = volumes.iter().find(|volume| volume.name == mount.name) else {
            return Err(ConfigError::Missing(format!("volume \"{}\" not found in the pod", mount.name)));
        };
        match content(references, volume).await? {
            Content::Files(files) => mount_files(&mut mounts.files, mount, files),
            Content::Host(host) => mounts.host_paths.push(HostPathMount {
                host: match mount.sub_path.as_deref() {
                    None | Some("") => host,
                    Some(below) => joined(&host, below),
                },
                container: mount.mount_path.clone(),
                read_only: mount.read_only.unwrap_or_default(),
            }),
            Content::Empty => {}
        }
    }
    Ok(mounts)
}

fn mount_files(into: &mut BTreeMap<String, String>, mount: &VolumeMount, files: BTreeMap<String, String>) {
    for (path, text) in files {
        match mount.sub_path.as_deref() {
            None | Some("") => {
                into.insert(joined(&mount.mount_path, &path), text);
            }
            Some(one) if one == path => {
                into.insert(mount.mount_path.clone(), text);
            }
            Some(_) => {}
        }
    }
}

fn joined(folder: &str, path: &str) -> String {
    format!("{}/{}", folder.trim_end_matches('/'), path.trim_start_matches('/'))
}

async fn content(references: &References<'_>, volume: &Volume) -> Result<Content, ConfigError> {
    if let Some(host) = &volume.host_path {
        return Ok(Content::Host(host.path.clone()));
    }
    if volume.empty_dir.is_some() {
        return Ok(Content::Empty);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let found = references.secret(name, secret.optional.unwrap_or_default()).await?;
        return Ok(Content::Files(chosen(found, secret.items.as_deref())));
    }
    if let Some(map) = &volume.config_map {
        let found = references.config_map(&map.name, map.optional.unwrap_or_default()).await?;
        return Ok(Content::Files(chosen(found, map.items.as_deref())));
    }
    if let Some(downward) = &volume.downward_api {
        return Ok(Content::Files(fields(references, downward.items.as_deref())?));
    }
    if let Some(projected) = &volume.projected {
        let mut files = BTreeMap::new();
        for source in projected.sources.iter().flatten() {
            files.extend(projection(references, source).await?);
        }
        return Ok(Content::Files(files));
    }
    Err(ConfigError::Unsupported(format!("the kind of volume \"{}\"", volume.name)))
}

async fn projection(
    references: &References<'_>,
    source: &VolumeProjection,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut files = BTreeMap::new();
    if let Some(secret) = &source.secret {
        let found = references.secret(&secret.name, secret.optional.unwrap_or_default()).await?;
        files.extend(chosen(found, secret.items.as_deref()));
    }
    if let Some(map) = &source.config_map {
        let found = references.config_map(&map.name, map.optional.unwrap_or_default()).await?;
        files.extend(chosen(found, map.items.as_deref()));
    }
    if let Some(downward) = &source.downward_api {
        files.extend(fields(references, downward.items.as_deref())?);
    }
    if let Some(token) = &source.service_account_token {
        // Nobody checks it; it says whose it would be.
        let pod = &references.pod.metadata;
        let (namespace, name) = (pod.namespace.as_deref(), pod.name.as_deref());
        let text = format!("token-of-{}-{}", namespace.unwrap_or_default(), name.unwrap_or_default());
        files.insert(token.path.clone(), text);
    }
    Ok(files)
}

/// The entries that are asked for, under the paths that are asked for; all of them under their keys otherwise.
fn chosen(found: Option<BTreeMap<String, String>>, items: Option<&[KeyToPath]>) -> BTreeMap<String, String> {
    let found = found.unwrap_or_default();
    match items {
        None | Some([]) => found,
        Some(items) => items
            .iter()
            .filter_map(|item| found.get(&item.key).map(|text| (item.path.clone(), text.clone())))
            .collect(),
    }
}

fn fields(
    references: &References<'_>,
    items: Option<&[DownwardAPIVolumeFile]>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut files = BTreeMap::new();
    for item in items.into_iter().flatten() {
        let Some(field) = &item.field_ref else {
            return Err(ConfigError::Unsupported(format!("the resource reference of {}", item.path)));
        };
        files.insert(item.path.clone(), references.field(&field.field_path)?);
    }
    Ok(files)
}
