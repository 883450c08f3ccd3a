use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::json;

use super::pod_worker::{Happened, PodWorker};

/// How long a write to the API server may take before it is tried again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the API server does not know what it was to be told.
pub(super) enum WriteError {
    /// There is no such pod any more.
    Gone,
    /// It may work the next time.
    Failed(String),
}

impl PodWorker {
    /// Tells the API server the status of the pod when it has another one. Returns at once.
    pub(super) fn write_status(&mut self) {
        if self.is_writing || self.vanished {
            return;
        }
        let status = self.status();
        if status == self.written {
            return;
        }
        self.is_writing = true;
        let (pods, name) = self.api();
        // The uid keeps a late write from reaching another pod of the same name.
        let patch =
            Patch::Strategic(json!({ "metadata": { "uid": self.pod.metadata.uid }, "status": status }));
        self.pending.push(Box::pin(async move {
            let params = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
            let result = within(pods.patch_status(&name, &params, &patch)).await;
            Happened::Written { status, result }
        }));
    }

    /// Tells the API server that nothing is left, so that the object goes.
    pub(super) fn confirm(&self) -> impl Future<Output = Result<(), WriteError>> + Send + 'static {
        let (pods, name) = self.api();
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: self.pod.metadata.uid.clone(), resource_version: None }),
            ..DeleteParams::default().grace_period(0)
        };
        async move { within(pods.delete(&name, &params)).await }
    }

    fn api(&self) -> (Api<Pod>, String) {
        let metadata = &self.pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let pods = Api::namespaced(self.kubelet.shared.client.clone(), namespace);
        (pods, metadata.name.clone().unwrap_or_default())
    }
}

async fn within<T>(write: impl Future<Output = kube::Result<T>>) -> Result<(), WriteError> {
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(WriteError::Gone),
        Ok(Err(error)) => Err(WriteError::Failed(error.to_string())),
        Err(_) => Err(WriteError::Failed("the API server does not answer".to_owned())),
    }
}
