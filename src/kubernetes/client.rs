//! A `kube::Client` whose every byte goes through [`Dial`]: the same stack in production and in the simulator.
//!
//! ```text
//!   retry ─ deadline ─ auth ─ headers ─ base URI ─ hyper ─ read/write/connect timeouts ─ TLS ─ Dial
//! ```

use std::{io, sync::Arc, time::Duration};

use http::{HeaderValue, header};
use hyper_timeout::TimeoutConnector;
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use kube::{
    Config,
    client::{Body, ClientBuilder, ConfigExt as _, retry::RetryPolicy},
};
use tokio_rustls::TlsConnector;
use tower::{BoxError, ServiceBuilder, retry::RetryLayer};

use crate::{
    dial_connector::{DialConnector, OwnTls},
    io::Dial,
};

/// Name in the `User-Agent` header, and so in the API server's audit log.
pub const USER_AGENT: &str = concat!("ms2m/", env!("CARGO_PKG_VERSION"));

/// How long the API server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Between two bytes from the server while something is awaited. A watch must be ended by the server sooner
    /// than this, see [`WATCH_SECS`]; a partition is noticed after this long.
    pub read: Duration,
    /// Until written bytes are accepted.
    pub write: Duration,
    /// From a request until the head of its response.
    pub response: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            write: Duration::from_secs(10),
            response: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// For one slow request that sends nothing until it is done, such as a checkpoint.
    pub fn patient(response: Duration) -> Self {
        Self { read: response, response, ..Self::default() }
    }
}

/// How long the server keeps a watch open, in seconds: well below [`Timeouts::read`], so that a silent watch is a
/// dead one.
pub const WATCH_SECS: u32 = 10;

/// Builds the client. Spawns a task, so it is called inside the runtime that uses it.
pub fn build(
    mut config: Config,
    dial: Arc<dyn Dial>,
    timeouts: Timeouts,
) -> Result<kube::Client, kube::Error> {
    if config.headers.iter().all(|(name, _)| name != header::USER_AGENT) {
        config.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    }
    let mut connector = TimeoutConnector::new(DialConnector::new(dial, tls(&config)?));
    connector.set_connect_timeout(Some(timeouts.connect));
    connector.set_read_timeout(Some(timeouts.read));
    connector.set_write_timeout(Some(timeouts.write));
    // A pooled connection has waited idle: its next answer gets the whole time.
    connector.set_reset_reader_on_write(true);
    let http = HttpClient::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let retries = RetryPolicy::new(Duration::from_millis(100), Duration::from_secs(2), 3, true)
        .map_err(|error| kube::Error::Service(error.into()))?;
    let retries = config.default_retry.then(|| RetryLayer::new(retries));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(retries)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_future(move |answer| within(timeouts.response, answer))
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

async fn within<T, E: Into<BoxError>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the API server did not answer within {} s", limit.as_secs()),
        )
        .into()),
    }
}

/// The cluster's own TLS settings, where TLS is spoken.
fn tls(config: &Config) -> Result<Option<OwnTls>, kube::Error> {
    if config.cluster_url.scheme_str() != Some("https") {
        return Ok(None);
    }
    let connector = TlsConnector::from(Arc::new(config.rustls_client_config()?));
    Ok(Some(OwnTls { connector, server_name: config.tls_server_name.clone() }))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use http::{Request, Response, StatusCode};
    use k8s_openapi::api::core::v1::Pod;
    use kube::{
        Api,
        runtime::{WatchStreamExt as _, watcher},
    };
    use serde_json::json;
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::{
        io::Endpoint,
        kubernetes::loopback::{Answer, Loopback},
    };

    fn config(url: &str) -> Config {
        Config::new(url.parse().unwrap())
    }

    fn pod() -> Answer {
        Answer::json(StatusCode::OK, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_through_dial_with_path_and_user_agent() {
        let api = Loopback::new(|request: Request<Vec<u8>>| {
            assert_eq!(request.uri().path(), "/api/v1/namespaces/default/pods/p");
            assert_eq!(request.headers()[header::USER_AGENT], USER_AGENT);
            assert_eq!(request.headers()[header::HOST], "api:6443");
            pod()
        });
        let client = build(config("http://api:6443"), api.clone(), Timeouts::default()).unwrap();
        let pods: Api<Pod> = Api::default_namespaced(client);
        assert_eq!(pods.get("p").await.unwrap().metadata.name.as_deref(), Some("p"));
        let endpoint = Endpoint { host: "api".to_owned(), port: 6443, tls: false };
        assert_eq!(api.dialed(), [endpoint]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_in_brackets_is_dialed_without_them() {
        let api = Loopback::new(|_| pod());
        let client = build(config("http://[fd00::1]"), api.clone(), Timeouts::default()).unwrap();
        Api::<Pod>::default_namespaced(client).get("p").await.unwrap();
        assert_eq!(api.dialed(), [Endpoint { host: "fd00::1".to_owned(), port: 80, tls: false }]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_never_answered_ends_at_its_deadline() {
        let api = Loopback::new(|_| Answer::Never);
        let client = build(config("http://api"), api, Timeouts::default()).unwrap();
        let asked = Instant::now();
        let error = Api::<Pod>::default_namespaced(client).get("p").await.unwrap_err();
        assert_eq!(asked.elapsed().as_secs(), Timeouts::default().response.as_secs());
        assert!(matches!(error, kube::Error::Service(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_requests_is_repeated_when_the_server_says() {
        let mut asked = 0;
        let api = Loopback::new(move |_| {
            asked += 1;
            if asked > 1 {
                return pod();
            }
            let refusal =
                Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header("retry-after", "1");
            Answer::Whole(refusal.body(Vec::new()).unwrap())
        });
        let client = build(config("http://api"), api, Timeouts::default()).unwrap();
        let asked = Instant::now();
        Api::<Pod>::default_namespaced(client).get("p").await.unwrap();
        assert_eq!(asked.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_falls_silent_is_noticed_and_opened_anew() {
        let (opened, mut openings) = mpsc::unbounded_channel();
        let api = Loopback::new(move |request: Request<Vec<u8>>| {
            let query = request.uri().query().unwrap_or_default();
            if query.contains("watch=true") {
                assert!(query.contains("timeoutSeconds=10"), "{query}");
                opened.send(Instant::now()).unwrap();
                return Answer::HeadOnly;
            }
            let metadata = json!({"resourceVersion": "1"});
            let list = json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": []});
            Answer::json(StatusCode::OK, &list)
        });
        let client = build(config("http://api"), api, Timeouts::default()).unwrap();
        let pods: Api<Pod> = Api::default_namespaced(client);
        let watch = watcher(pods, watcher::Config::default().timeout(WATCH_SECS)).default_backoff();
        tokio::select! {
            () = watch.for_each(async |_| ()) => panic!("a watch goes on for ever"),
            (first, second) = async { (openings.recv().await, openings.recv().await) } => {
                let blind = second.unwrap() - first.unwrap();
                assert!(blind <= Duration::from_secs(16), "{blind:?}");
            }
        }
    }
}
