use std::{
    io::Write as _,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use ms2m_app::io::{Endpoint, SocketDial};
use ms2m_sim::{
    determinism,
    network::{Delivery, SimDial, sim_builder},
    registry::{AlwaysServe, Settings, Store, Treat, serve},
};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::http_client::{Answer, HttpClient, digest_of};

const URL: &str = "MS2M_TEST_REGISTRY_URL";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const BYTES: &str = "application/octet-stream";

pub(super) type Case = for<'a> fn(&'a Rig) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A registry to test, and repositories that no other test uses.
pub(super) struct Rig {
    pub(super) http: HttpClient,
    /// The repository of this case.
    pub(super) repository: String,
    /// What the simulated one has.
    store: Option<Arc<Mutex<Store>>>,
}

/// Runs a case against the simulated registry, in a simulation; once more with what is sent in pieces.
pub(super) fn simulated(case: Case) {
    for delivery in [Delivery::Whole, Delivery::Fragmented] {
        simulate(delivery, Settings::default(), AlwaysServe, case);
    }
}

/// Runs a case against a simulated registry that is set so and treats requests so.
pub(super) fn simulated_with(settings: Settings, treat: impl Treat + 'static, case: Case) {
    simulate(Delivery::Fragmented, settings, treat, case);
}

fn simulate(delivery: Delivery, settings: Settings, treat: impl Treat + 'static, case: Case) {
    determinism::run(1, move || {
        delivery.select();
        let store = Arc::new(Mutex::new(Store::new(settings)));
        let treat: Arc<dyn Treat> = Arc::new(treat);
        let mut sim = sim_builder(1).build();
        let served = store.clone();
        sim.host("registry", move || serve(5000, served.clone(), treat.clone()));
        sim.client("client", async move {
            let endpoint = Endpoint { host: "registry".to_owned(), port: 5000, tls: false };
            case(&Rig::new(HttpClient { dial: Arc::new(SimDial), endpoint }, Some(store))).await;
            Ok(())
        });
        sim.run().unwrap();
    });
}

/// Runs a case against a real registry, or says that it does not and why.
pub(super) fn real(name: &str, case: Case) {
    let Ok(url) = std::env::var(URL) else {
        // Past the harness, which swallows what a passing test prints.
        let why = format!("{URL} is not set (such as http://localhost:5000)");
        let _ = writeln!(std::io::stderr(), "skipped real::{name}: {why}");
        return;
    };
    let uri: http::Uri = url.parse().unwrap();
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let endpoint = Endpoint { host: uri.host().expect("a host").to_owned(), port, tls };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let dial = Arc::new(SocketDial::system_roots().unwrap());
        case(&Rig::new(HttpClient { dial, endpoint }, None)).await;
    });
}

impl Rig {
    fn new(http: HttpClient, store: Option<Arc<Mutex<Store>>>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A registry outlives the process that tests it: its repositories are not used twice.
        let case = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { http, repository: format!("contract/t{}-{case}", std::process::id()), store }
    }

    /// Whether versions of the real one may behave otherwise.
    pub(super) fn is_simulated(&self) -> bool {
        self.store.is_some()
    }

    /// What the simulated registry has.
    pub(super) fn store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.store.as_ref().expect("a simulated registry").lock().unwrap())
    }

    /// Another repository of this case.
    pub(super) fn beside(&self) -> Self {
        let repository = format!("{}-beside", self.repository);
        Self { http: self.http.clone(), repository, store: self.store.clone() }
    }

    /// A path in the repository.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    pub(super) async fn get(&self, rest: &str) -> Answer {
        self.http.send("GET", &self.path(rest), &[], b"").await
    }

    pub(super) async fn head(&self, rest: &str) -> Answer {
        self.http.send("HEAD", &self.path(rest), &[], b"").await
    }

    pub(super) async fn delete(&self, rest: &str) -> Answer {
        self.http.send("DELETE", &self.path(rest), &[], b"").await
    }

    /// Starts an upload; its location.
    pub(super) async fn start(&self) -> String {
        let path = self.path("blobs/uploads/");
        self.http.send("POST", &path, &[], b"").await.expect(202).location()
    }

    pub(super) async fn patch(&self, location: &str, chunk: &[u8]) -> Answer {
        self.http.send("PATCH", location, &[("content-type", BYTES)], chunk).await
    }

    /// Sends a chunk that says which bytes it is.
    pub(super) async fn patch_range(&self, location: &str, range: &str, chunk: &[u8]) -> Answer {
        let headers = [("content-type", BYTES), ("content-range", range)];
        self.http.send("PATCH", location, &headers, chunk).await
    }

    /// Ends an upload with this digest.
    pub(super) async fn finish(&self, location: &str, digest: &str, last: &[u8]) -> Answer {
        let path = finishing(location, digest);
        self.http.send("PUT", &path, &[("content-type", BYTES)], last).await
    }

    /// Asks a session what it has.
    pub(super) async fn session(&self, location: &str) -> Answer {
        self.http.send("GET", location, &[], b"").await
    }

    /// Uploads a blob; its digest.
    pub(super) async fn push_blob(&self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.finish(&self.start().await, &digest, bytes).await.expect(201);
        digest
    }

    pub(super) async fn put_manifest(&self, reference: &str, media_type: &str, manifest: &[u8]) -> Answer {
        let path = self.path(&format!("manifests/{reference}"));
        self.http.send("PUT", &path, &[("content-type", media_type)], manifest).await
    }

    pub(super) async fn manifest(&self, method: &str, reference: &str) -> Answer {
        let path = self.path(&format!("manifests/{reference}"));
        self.http.send(method, &path, &[("accept", MANIFEST)], b"").await
    }

    /// An image of a configuration and a layer, under a tag.
    pub(super) async fn push_image(&self, tag: &str, layer: &str) -> Image {
        let image = Image::of(layer);
        self.push_blob(&image.config).await;
        self.push_blob(&image.layer).await;
        self.put_manifest(tag, MANIFEST, &image.manifest).await.expect(201);
        image
    }

    /// What the repository's list has.
    pub(super) async fn tags(&self) -> Vec<String> {
        let list = self.get("tags/list").await.expect(200).json();
        assert_eq!(list["name"], self.repository);
        let tags = list["tags"].as_array().into_iter().flatten();
        let mut tags: Vec<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
        // A real one has them in the order of its disk.
        tags.sort();
        tags
    }
}

/// Where the last request of an upload goes: the location with all of its query, and the digest.
pub(super) fn finishing(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

/// An image that may or may not be in a registry.
pub(super) struct Image {
    pub(super) config: Vec<u8>,
    pub(super) layer: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) digest: String,
}

impl Image {
    pub(super) fn of(layer: &str) -> Self {
        let (config, layer) = (format!("{{\"of\":\"{layer}\"}}").into_bytes(), layer.as_bytes().to_vec());
        let manifest = manifest(&config, &layer).to_string().into_bytes();
        Self { config, layer, digest: digest_of(&manifest), manifest }
    }
}

/// A manifest of two blobs.
pub(super) fn manifest(config: &[u8], layer: &[u8]) -> Value {
    let blob = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len() });
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob("application/vnd.oci.image.config.v1+json", config),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}
