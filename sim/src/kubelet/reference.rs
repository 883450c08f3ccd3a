use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{Api, Client};

/// Why a container's configuration could not be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    /// It refers to something that is not there.
    #[error("{0}")]
    Missing(String),
    /// It uses something that this kubelet does not do.
    #[error("{0} is not supported by this kubelet")]
    Unsupported(String),
    /// The API server did not answer.
    #[error("the API server did not give {what}: {source}")]
    Api {
        /// What was asked for.
        what: String,
        /// Why it was not given.
        source: kube::Error,
    },
}

/// Reads what a pod's configuration refers to.
pub(super) struct References<'a> {
    client: Client,
    pub(super) pod: &'a Pod,
    pub(super) node_address: &'a str,
    namespace: String,
}

impl<'a> References<'a> {
    pub(super) fn new(client: Client, pod: &'a Pod, node_address: &'a str) -> Self {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        Self { client, pod, node_address, namespace }
    }

    /// The entries of a Secret; none when it is optional and not there.
    pub(super) async fn secret(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = read(&secrets, "secret", name, optional).await?;
        let Some(secret) = found else { return Ok(None) };
        let data = secret.data.unwrap_or_default();
        let text = |(key, bytes): (String, k8s_openapi::ByteString)| match String::from_utf8(bytes.0) {
            Ok(text) => Ok((key, text)),
            Err(_) => Err(ConfigError::Unsupported(format!("the binary entry {key} of secret \"{name}\""))),
        };
        data.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// The entries of a config map; none when it is optional and not there.
    pub(super) async fn config_map(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = read(&maps, "configmap", name, optional).await?;
        Ok(found.map(|map| map.data.unwrap_or_default()))
    }

    /// A field of the pod, as the downward API names it.
    pub(super) fn field(&self, path: &str) -> Result<String, ConfigError> {
        let metadata = &self.pod.metadata;
        let spec = self.pod.spec.as_ref();
        let keyed = |prefix: &str| {
            path.strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix("['"))
                .and_then(|rest| rest.strip_suffix("']"))
        };
        let entry = |map: &Option<BTreeMap<String, String>>, key: &str| {
            map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
        };
        if let Some(key) = keyed("metadata.labels") {
            return Ok(entry(&metadata.labels, key));
        }
        if let Some(key) = keyed("metadata.annotations") {
            return Ok(entry(&metadata.annotations, key));
        }
        let found = match path {
            "metadata.name" => metadata.name.clone(),
            "metadata.namespace" => metadata.namespace.clone(),
            "metadata.uid" => metadata.uid.clone(),
            "metadata.labels" => Some(listed(metadata.labels.as_ref())),
            "metadata.annotations" => Some(listed(metadata.annotations.as_ref())),
            "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
            "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
            "status.hostIP" => Some(self.node_address.to_owned()),
            // The runtime chooses the address when it starts the container.
            "status.podIP" => Some(String::new()),
            _ => return Err(ConfigError::Unsupported(format!("the field reference {path}"))),
        };
        Ok(found.unwrap_or_default())
    }
}

async fn read<K>(api: &Api<K>, kind: &str, name: &str, optional: bool) -> Result<Option<K>, ConfigError>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.get_opt(name).await {
        Ok(None) if !optional => Err(ConfigError::Missing(format!("{kind} \"{name}\" not found"))),
        Ok(found) => Ok(found),
        Err(source) => Err(ConfigError::Api { what: format!("{kind} \"{name}\""), source }),
    }
}

/// Labels in a file: one `key="value"` per line.
fn listed(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> =
        map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    lines.join("\n")
}
