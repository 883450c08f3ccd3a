use std::sync::Arc;

use ms2m_app::io::Clock;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::fake_runtime::FakeRuntime;
pub(super) use crate::apiserver::tests::world::eventually;
use crate::{
    apiserver::{
        ApiServer,
        tests::world::{NoDial, client, client_named, clock, server_at},
    },
    kubelet::{Config, Kubelet},
};

/// An API server, and the kubelet of `node-a` over containers that do what a test says.
pub(super) struct World {
    pub(super) server: ApiServer,
    pub(super) runtime: Arc<FakeRuntime>,
    pub(super) kubelet: Kubelet,
    clock: Arc<dyn Clock>,
    running: JoinHandle<()>,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = clock();
        let (server, runtime) = (server_at(clock.clone(), Arc::new(NoDial)), FakeRuntime::new());
        let (kubelet, running) = begin(&server, &runtime, clock.clone());
        Self { server, runtime, kubelet, clock, running }
    }

    /// The kubelet's process dies; its containers run on.
    pub(super) async fn crash(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    /// A new process of the kubelet begins.
    pub(super) fn restart(&mut self) {
        (self.kubelet, self.running) = begin(&self.server, &self.runtime, self.clock.clone());
    }

    pub(super) fn client(&self) -> kube::Client {
        client(&self.server)
    }

    /// Creates a pod on the node, with the given additions to its spec.
    pub(super) fn create_pod(&self, name: &str, additions: &Value) -> Value {
        let mut spec = json!({
            "nodeName": "node-a",
            "automountServiceAccountToken": false,
            "containers": [{ "name": "app", "image": "orders:1" }],
        });
        for (field, value) in additions.as_object().into_iter().flatten() {
            spec[field.as_str()] = value.clone();
        }
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
        self.server.create(pod).unwrap()
    }

    pub(super) fn pod(&self, name: &str) -> Option<Value> {
        self.server.get("", "pods", "default", name).as_deref().cloned()
    }

    /// Waits until the pod's status is as wanted, and returns the pod.
    pub(super) async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.pod(name).filter(|pod| wanted(&pod["status"]))).await
    }

    pub(super) async fn until_running(&self, name: &str) -> Value {
        self.until(name, "the pod runs", |status| status["phase"] == "Running" && ready(status)).await
    }

    pub(super) async fn until_gone(&self, name: &str) {
        eventually("the pod is gone", || self.pod(name).is_none().then_some(())).await;
    }
}

fn begin(server: &ApiServer, runtime: &Arc<FakeRuntime>, clock: Arc<dyn Clock>) -> (Kubelet, JoinHandle<()>) {
    let mut config = Config::new("node-a", "10.0.0.1", 10250);
    config.labels.insert("zone".to_owned(), "west".to_owned());
    let kubelet = Kubelet::new(config, runtime.clone(), client_named(server, "kubelet/node-a"), clock);
    let running = tokio::spawn(kubelet.clone().run());
    (kubelet, running)
}

pub(super) fn ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}
