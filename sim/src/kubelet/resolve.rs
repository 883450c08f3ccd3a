use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, Pod};

use super::{
    ContainerSpec,
    reference::{ConfigError, References},
    volumes::mounts,
};

/// Turns a container of a pod into what the runtime is told: every reference followed, every variable expanded.
pub(super) async fn resolve(
    references: &References<'_>,
    name: &str,
    attempt: u32,
) -> Result<ContainerSpec, ConfigError> {
    let pod: &Pod = references.pod;
    let spec = pod.spec.as_ref().ok_or_else(|| ConfigError::Missing("the pod has no spec".to_owned()))?;
    if spec.init_containers.as_ref().is_some_and(|init| !init.is_empty()) {
        return Err(ConfigError::Unsupported("an init container".to_owned()));
    }
    let container = spec
        .containers
        .iter()
        .find(|container| container.name == name)
        .ok_or_else(|| ConfigError::Missing(format!("container \"{name}\" not found in the pod")))?;
    let env = environment(references, container).await?;
    let mounts = mounts(references, spec.volumes.as_deref().unwrap_or_default(), container).await?;
    let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
        words.iter().flatten().map(|word| expand(word, &env)).collect()
    };
    let metadata = &pod.metadata;
    Ok(ContainerSpec {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        pod: metadata.name.clone().unwrap_or_default(),
        pod_uid: metadata.uid.clone().unwrap_or_default(),
        container: name.to_owned(),
        attempt,
        image: container.image.clone().unwrap_or_default(),
        command: expanded(&container.command),
        args: expanded(&container.args),
        files: mounts.files,
        host_paths: mounts.host_paths,
        termination_message_path: container.termination_message_path.clone().unwrap_or_default(),
        env,
    })
}

async fn environment(
    references: &References<'_>,
    container: &Container,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut env = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut found = BTreeMap::new();
        if let Some(secret) = &source.secret_ref {
            found.extend(
                references
                    .secret(&secret.name, secret.optional.unwrap_or_default())
                    .await?
                    .unwrap_or_default(),
            );
        }
        if let Some(map) = &source.config_map_ref {
            found.extend(
                references.config_map(&map.name, map.optional.unwrap_or_default()).await?.unwrap_or_default(),
            );
        }
        env.extend(found.into_iter().map(|(key, text)| (format!("{prefix}{key}"), text)));
    }
    for EnvVar { name, value, value_from } in container.env.iter().flatten() {
        let text = match value_from {
            Some(source) => value_of(references, name, source).await?,
            None => Some(expand(value.as_deref().unwrap_or_default(), &env)),
        };
        if let Some(text) = text {
            env.insert(name.clone(), text);
        }
    }
    Ok(env)
}

/// A variable's value; none when it is optional and its source is not there.
async fn value_of(
    references: &References<'_>,
    variable: &str,
    source: &EnvVarSource,
) -> Result<Option<String>, ConfigError> {
    let (kind, name, key, optional, found) = if let Some(field) = &source.field_ref {
        return references.field(&field.field_path).map(Some);
    } else if let Some(one) = &source.secret_key_ref {
        let optional = one.optional.unwrap_or_default();
        ("secret", &one.name, &one.key, optional, references.secret(&one.name, optional).await?)
    } else if let Some(one) = &source.config_map_key_ref {
        let optional = one.optional.unwrap_or_default();
        ("configmap", &one.name, &one.key, optional, references.config_map(&one.name, optional).await?)
    } else {
        return Err(ConfigError::Unsupported(format!("the source of the variable {variable}")));
    };
    match found.and_then(|mut entries| entries.remove(key)) {
        None if !optional => {
            Err(ConfigError::Missing(format!("couldn't find key {key} in {kind} \"{name}\"")))
        }
        found => Ok(found),
    }
}

/// Replaces `$(NAME)` by the variable; `$$` is a dollar, and an unknown name stays as it is written.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            if let Some(value) = env.get(name) {
                expanded.push_str(value);
            } else {
                expanded.push_str("$(");
                expanded.push_str(name);
                expanded.push(')');
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::expand;

    #[test]
    fn variables_expand_as_kubernetes_expands_them() {
        let env = BTreeMap::from([("HOST".to_owned(), "broker".to_owned())]);
        for (text, expected) in [
            ("amqp://$(HOST):5672", "amqp://broker:5672"),
            ("$$(HOST)", "$(HOST)"),
            ("$(OTHER) $HOME $", "$(OTHER) $HOME $"),
            ("$(HOST", "$(HOST"),
        ] {
            assert_eq!(expand(text, &env), expected);
        }
    }
}
