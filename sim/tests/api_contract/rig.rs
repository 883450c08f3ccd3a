use std::{
    io::Write as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use ms2m::kubernetes::{client, config};
use ms2m_app::io::{SocketDial, SystemClock};
use ms2m_sim::{
    apiserver::{ApiServer, Settings, serve_connection},
    network::serve_tcp,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{LocalSet, spawn_local},
    time::{Instant, timeout},
};

const KUBECONFIG: &str = "MS2M_TEST_KUBECONFIG";
/// Every wait ends by then: a test that hangs is a test that fails.
const DEADLINE: Duration = Duration::from_secs(20);
/// What has not come by then does not come.
const SILENCE: Duration = Duration::from_millis(300);

pub(super) type Case = for<'a> fn(&'a Rig) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// An API server to test, and a namespace that no other test uses.
pub(super) struct Rig {
    client: Client,
    /// Its name; also what names without a namespace begin with.
    pub(super) namespace: String,
    simulated: Option<ApiServer>,
}

/// Runs a case against the simulated server, on a real socket.
pub(super) fn simulated(case: Case) {
    block_on(async {
        let dial = Arc::new(SocketDial::system_roots().unwrap());
        let server = ApiServer::new(Arc::new(SystemClock), dial.clone(), Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let api = server.clone();
        spawn_local(serve_tcp(listener, move |stream| serve_connection(api.clone(), stream)));
        let config = kube::Config::new(url.parse().unwrap());
        let client = client::build(asking_once(config), dial, client::Timeouts::default()).unwrap();
        case(&Rig::new(client, Some(server)).await).await;
    });
}

/// Runs a case against a real API server, or says that it does not and why.
pub(super) fn real(name: &str, case: Case) {
    let Some(kubeconfig) = std::env::var_os(KUBECONFIG) else {
        // Past the harness, which swallows what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped real::{name}: {KUBECONFIG} is not set");
        return;
    };
    block_on(async {
        let dial = Arc::new(SocketDial::system_roots().unwrap());
        let config = config::load(Some(kubeconfig.as_ref()), None).await.unwrap();
        let client = client::build(asking_once(config), dial, client::Timeouts::default()).unwrap();
        case(&Rig::new(client, None).await).await;
    });
}

/// A refusal is an answer here, and nothing to be asked again for.
fn asking_once(mut config: kube::Config) -> kube::Config {
    config.default_retry = false;
    config
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future);
}

/// What the server answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The object in it; fails when it was refused.
    #[track_caller]
    pub(super) fn object(self) -> Value {
        assert!(self.code < 300, "{} {}", self.code, self.body);
        self.body
    }

    /// Checks that it was refused with this code and this reason.
    #[track_caller]
    pub(super) fn refused(&self, code: StatusCode, reason: &str) {
        let said = self.body["reason"].as_str().unwrap_or_default();
        assert_eq!((self.code, said), (code.as_u16(), reason), "{}", self.body);
        assert_eq!((&self.body["kind"], &self.body["status"]), (&json!("Status"), &json!("Failure")));
        assert_eq!(self.body["code"], self.code);
    }
}

impl Rig {
    async fn new(client: Client, simulated: Option<ApiServer>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A server outlives the process that tests it: its namespaces are not used twice.
        let namespace = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let rig = Self { client, namespace, simulated };
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": rig.namespace}});
        rig.send("POST", "/api/v1/namespaces", "application/json", Some(body)).await.object();
        rig
    }

    /// Path of a resource of the core group in this rig's namespace.
    pub(super) fn core(&self, resource: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}", self.namespace)
    }

    /// Path of a resource of another group in this rig's namespace; `group` is with its version.
    pub(super) fn in_group(&self, group: &str, resource: &str) -> String {
        format!("/apis/{group}/namespaces/{}/{resource}", self.namespace)
    }

    pub(super) async fn response(&self, request: Request<Body>) -> http::Response<Body> {
        timeout(DEADLINE, self.client.send(request)).await.expect("an answer in time").unwrap()
    }

    pub(super) async fn send(&self, method: &str, path: &str, content: &str, body: Option<Value>) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send_bytes(method, path, content, bytes).await
    }

    pub(super) async fn send_bytes(&self, method: &str, path: &str, content: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .header("accept", "application/json")
            .body(Body::from(body))
            .unwrap();
        let response = self.response(request).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { code, body }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "application/json", None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, "application/json", Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, "application/json", Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str, options: Value) -> Answer {
        self.send("DELETE", path, "application/json", Some(options)).await
    }

    pub(super) async fn merge(&self, path: &str, change: Value) -> Answer {
        self.send("PATCH", path, "application/merge-patch+json", Some(change)).await
    }

    pub(super) async fn json_patch(&self, path: &str, change: Value) -> Answer {
        self.send("PATCH", path, "application/json-patch+json", Some(change)).await
    }

    pub(super) async fn strategic(&self, path: &str, change: Value) -> Answer {
        self.send("PATCH", path, "application/strategic-merge-patch+json", Some(change)).await
    }

    /// Server-side apply by a manager.
    pub(super) async fn apply(&self, path: &str, manager: &str, object: Value) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{joint}fieldManager={manager}");
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(object)).await
    }

    /// A `ConfigMap` that was created.
    pub(super) async fn map(&self, name: &str, data: Value) -> Value {
        self.post(&self.core("configmaps"), map(name, data)).await.object()
    }

    /// A watch; `query` is what follows `watch=true`.
    pub(super) async fn watch(&self, path: &str, query: &str) -> Watch {
        let uri = format!("{path}?watch=true&{query}");
        let request = Request::get(uri).header("accept", "application/json").body(Body::empty()).unwrap();
        let response = self.response(request).await;
        let code = response.status().as_u16();
        Watch { code, body: response.into_body(), read: BytesMut::new() }
    }

    /// Lets the server forget what happened before now, as far as it can be made to; then a version that it has
    /// forgotten.
    pub(super) fn forgotten_version(&self) -> &'static str {
        if let Some(server) = &self.simulated {
            server.compact_history();
        }
        // A real server's memory begins with its start, long after this.
        "1"
    }

    /// Asks until it is so.
    pub(super) async fn eventually(&self, path: &str, so: impl Fn(&Answer) -> bool) -> Answer {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = self.get(path).await;
            if so(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "never so: {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A `ConfigMap`.
pub(super) fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// A pod that nothing runs.
pub(super) fn pod(name: &str, node: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

/// The version of an object, or of a list.
pub(super) fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
}

/// Names of a list's items, in its order.
pub(super) fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("a list");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

/// A watch that is open.
pub(super) struct Watch {
    /// With which it was opened.
    pub(super) code: u16,
    body: Body,
    read: BytesMut,
}

impl Watch {
    /// The next event; none when the server has ended the watch.
    pub(super) async fn event(&mut self) -> Option<Value> {
        timeout(DEADLINE, self.read_event()).await.expect("an event in time")
    }

    async fn read_event(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }

    /// The next events, as `ADDED name`; bookmarks are passed over.
    pub(super) async fn tell(&mut self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        while told.len() < count {
            let event = self.event().await.expect("the watch goes on");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if event["type"] != "BOOKMARK" {
                told.push(format!("{} {}", text(&event["type"]), text(&event["object"]["metadata"]["name"])));
            }
        }
        told
    }

    /// Checks that nothing comes.
    pub(super) async fn is_silent(&mut self) {
        let event = timeout(SILENCE, self.read_event()).await;
        assert!(event.is_err(), "{event:?}");
    }
}
