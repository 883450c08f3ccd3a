//! Reads the Secrets that a migration names for its broker.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::failure::{failure, is_absent};
use crate::{
    api::{SecretKey, reason},
    protocol::Finding,
};

/// Reads a text from a Secret.
pub async fn read(client: &kube::Client, namespace: &str, key: &SecretKey) -> Result<String, Finding> {
    let missing = |message: String| Finding { reason: reason::SECRET_NOT_FOUND, message };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match secrets.get(&key.name).await {
        Ok(secret) => secret,
        Err(error) if is_absent(&error) => {
            return Err(missing(format!(
                "there is no Secret {} in namespace {namespace}: create it",
                key.name
            )));
        }
        Err(error) => {
            let failure = failure(&format!("reading Secret {}", key.name), reason::SECRET_NOT_FOUND, &error);
            return Err(Finding { reason: failure.reason, message: failure.message });
        }
    };
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(&key.key)) else {
        return Err(missing(format!("Secret {} has no key {}: add it", key.name, key.key)));
    };
    let text = String::from_utf8(bytes.0.clone()).map_err(|_| Finding {
        reason: reason::SECRET_INVALID,
        message: format!("key {} of Secret {} is no text: it must be a URL", key.key, key.name),
    })?;
    // Files end in a newline, and so do Secrets that were made from files.
    Ok(text.trim().to_owned())
}
