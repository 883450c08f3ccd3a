//! A registry in this process that does as much of the distribution specification as a push and a deletion need, and
//! fails when it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

pub(crate) const USERNAME: &str = "pusher";
pub(crate) const PASSWORD: &str = "hunter2";

/// How clients have to introduce themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Basic,
    /// By a token that is good for one kind of request only.
    Token,
}

/// What happens to one request in place of the right answer.
#[derive(Clone)]
pub(crate) enum Fault {
    Status(u16, &'static str),
    /// The connection ends while the body is read.
    HangUp,
    /// The answer never comes.
    Silence,
    /// Something happens elsewhere at this moment; then the right answer.
    Meanwhile(Arc<dyn Fn() + Send + Sync>),
}

pub(crate) struct Behaviour {
    pub(crate) access: Access,
    pub(crate) takes_chunks: bool,
    pub(crate) deletes: bool,
    /// Keep and verify what is uploaded; otherwise only its length.
    pub(crate) keeps_blobs: bool,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Faults by method and a part of the path, each for one request, in order.
    pub(crate) faults: Vec<(Method, &'static str, Fault)>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            access: Access::Open,
            takes_chunks: true,
            deletes: true,
            keeps_blobs: true,
            tls: None,
            faults: Vec::new(),
        }
    }
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    tags: BTreeMap<String, String>,
    uploads: Vec<Upload>,
    faults: Vec<(Method, &'static str, Fault)>,
    log: Vec<String>,
}

#[derive(Default)]
struct Upload {
    bytes: u64,
    kept: Vec<u8>,
}

pub(crate) struct TinyRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Drop for TinyRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Answer = Response<Full<Bytes>>;

/// The client is left without an answer.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

impl TinyRegistry {
    pub(crate) async fn start(mut behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let faults = std::mem::take(&mut behaviour.faults);
        let state = Arc::new(Mutex::new(State { faults, ..State::default() }));
        let server = tokio::spawn(serve(listener, Arc::new(behaviour), state.clone()));
        Self { address, state, server }
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// `METHOD PATH STATUS` of every request so far; uploads without their session.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().expect("unpoisoned").log.clone()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.log().iter().filter(|line| line.starts_with(start)).count()
    }

    pub(crate) fn manifest(&self, tag: &str) -> Option<(String, Vec<u8>)> {
        let state = self.state.lock().expect("unpoisoned");
        let digest = state.tags.get(tag)?;
        Some((digest.clone(), state.manifests.get(digest)?.clone()))
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.state.lock().expect("unpoisoned").blobs.get(digest).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock().expect("unpoisoned");
        state.blobs.is_empty() && state.manifests.is_empty()
    }
}

async fn serve(listener: TcpListener, behaviour: Arc<Behaviour>, state: Arc<Mutex<State>>) {
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        let (behaviour, state) = (behaviour.clone(), state.clone());
        tokio::spawn(async move {
            let acceptor = behaviour.tls.clone();
            let service = service_fn(move |request| answer(request, behaviour.clone(), state.clone()));
            // Errors are the clients that hang up, and the faults.
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    }
                }
                None => drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await),
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    behaviour: Arc<Behaviour>,
    state: Arc<Mutex<State>>,
) -> Result<Answer, HungUp> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let shown = match path.split_once("/uploads/") {
        Some((before, _)) => format!("{before}/uploads"),
        None => path.clone(),
    };
    let fault = {
        let mut state = state.lock().expect("unpoisoned");
        let due = state.faults.iter().position(|(of, part, _)| *of == method && path.contains(part));
        due.map(|at| state.faults.remove(at).2)
    };
    let answer = match fault {
        Some(Fault::Status(status, body)) => {
            // The request is read first: whoever answers earlier resets the connection under the answer.
            let _ = request.into_body().collect().await;
            with_status(status, body)
        }
        Some(Fault::HangUp) => {
            let _ = request.into_body().frame().await;
            state.lock().expect("unpoisoned").log.push(format!("{method} {shown} hung up"));
            return Err(HungUp);
        }
        Some(Fault::Silence) => {
            state.lock().expect("unpoisoned").log.push(format!("{method} {shown} silence"));
            std::future::pending().await
        }
        Some(Fault::Meanwhile(happens)) => {
            happens();
            route(request, &behaviour, &state).await?
        }
        None => route(request, &behaviour, &state).await?,
    };
    state.lock().expect("unpoisoned").log.push(format!("{method} {shown} {}", answer.status().as_u16()));
    Ok(answer)
}

async fn route(
    request: Request<Incoming>,
    behaviour: &Behaviour,
    state: &Mutex<State>,
) -> Result<Answer, HungUp> {
    let path = request.uri().path().to_owned();
    if path == "/token" {
        return Ok(token(&request));
    }
    if let Some(challenge) = challenge(&request, behaviour) {
        return Ok(challenge);
    }
    if let Some((_, reference)) = path.rsplit_once("/manifests/") {
        return manifests(request, reference, behaviour, state).await;
    }
    if path.contains("/blobs/uploads/") {
        return uploads(request, behaviour, state).await;
    }
    if let Some((_, digest)) = path.rsplit_once("/blobs/") {
        let removed = behaviour.deletes && state.lock().expect("unpoisoned").blobs.remove(digest).is_some();
        return Ok(with_status(if removed { 202 } else { 405 }, ""));
    }
    Ok(with_status(200, "{}"))
}

async fn uploads(
    request: Request<Incoming>,
    behaviour: &Behaviour,
    state: &Mutex<State>,
) -> Result<Answer, HungUp> {
    let uri = request.uri().clone();
    let (before, session) = uri.path().rsplit_once("/uploads/").expect("an upload");
    if request.method() == Method::POST {
        let mut state = state.lock().expect("unpoisoned");
        state.uploads.push(Upload::default());
        return Ok(with_location(202, &format!("{before}/uploads/{}", state.uploads.len() - 1)));
    }
    let session: usize = session.parse().expect("a session");
    let chunk_at = request.headers().get(CONTENT_RANGE).cloned();
    let chunk_at = chunk_at.and_then(|range| range.to_str().ok()?.split('-').next()?.parse::<u64>().ok());
    let so_far = state.lock().expect("unpoisoned").uploads[session].bytes;
    let patch = request.method() == Method::PATCH;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| HungUp)?.into_data().unwrap_or_default();
        let upload = &mut state.lock().expect("unpoisoned").uploads[session];
        upload.bytes += data.len() as u64;
        if behaviour.keeps_blobs {
            upload.kept.extend_from_slice(&data);
        }
    }
    if patch && !behaviour.takes_chunks {
        return Ok(with_status(400, r#"{"errors":[{"code":"UNSUPPORTED","message":"no chunks"}]}"#));
    }
    if patch {
        let right = chunk_at == Some(so_far);
        return Ok(if right { with_location(202, uri.path()) } else { with_status(416, "") });
    }
    let digest = uri.query().and_then(|query| query.split("digest=").nth(1)).unwrap_or_default();
    let digest = digest.replace("%3A", ":");
    let mut state = state.lock().expect("unpoisoned");
    let kept = std::mem::take(&mut state.uploads[session].kept);
    if behaviour.keeps_blobs && sha256(&kept) != digest {
        return Ok(with_status(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#));
    }
    let location = format!("{before}/{digest}");
    state.blobs.insert(digest, kept);
    Ok(with_location(201, &location))
}

async fn manifests(
    request: Request<Incoming>,
    reference: &str,
    behaviour: &Behaviour,
    state: &Mutex<State>,
) -> Result<Answer, HungUp> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let body = request.into_body().collect().await.map_err(|_| HungUp)?.to_bytes();
    let mut state = state.lock().expect("unpoisoned");
    let digest = state.tags.get(reference).cloned().unwrap_or_else(|| reference.to_owned());
    match method {
        Method::PUT => {
            let digest = sha256(&body);
            state.manifests.insert(digest.clone(), body.to_vec());
            state.tags.insert(reference.to_owned(), digest);
            Ok(with_location(201, uri.path()))
        }
        Method::DELETE if !behaviour.deletes || state.tags.contains_key(reference) => {
            Ok(with_status(405, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#))
        }
        Method::DELETE => {
            let removed = state.manifests.remove(&digest).is_some();
            state.tags.retain(|_, tagged| *tagged != digest);
            Ok(with_status(if removed { 202 } else { 404 }, ""))
        }
        _ => {
            let Some(manifest) = state.manifests.get(&digest) else { return Ok(with_status(404, "{}")) };
            let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from(manifest.clone()) };
            let answer = Response::builder()
                .header(CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
                .header("Docker-Content-Digest", digest)
                .body(Full::new(body));
            Ok(answer.expect("an answer"))
        }
    }
}

/// The answer to a client that has not introduced itself for what it asks.
fn challenge(request: &Request<Incoming>, behaviour: &Behaviour) -> Option<Answer> {
    let given =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = match *request.method() {
        Method::DELETE => "delete",
        Method::GET | Method::HEAD => "pull",
        _ => "push",
    };
    let wanted = match behaviour.access {
        Access::Open => return None,
        Access::Basic if given == basic() => return None,
        Access::Basic => "Basic realm=\"tiny\"".to_owned(),
        Access::Token if given.rsplit_once(':').is_some_and(|(_, actions)| actions.contains(action)) => {
            return None;
        }
        Access::Token => {
            let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            let scheme = if behaviour.tls.is_some() { "https" } else { "http" };
            let scope = match request.uri().path() {
                "/v2/" => String::new(),
                _ => format!(",scope=\"repository:team/checkpoints:{action}\""),
            };
            format!("Bearer realm=\"{scheme}://{host}/token\",service=\"tiny\"{scope}")
        }
    };
    let answer = Response::builder().status(401).header(WWW_AUTHENTICATE, wanted).body(Full::default());
    Some(answer.expect("an answer"))
}

/// A token that says itself what it is good for.
fn token(request: &Request<Incoming>) -> Answer {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(basic().as_str()) {
        return with_status(401, "who are you?");
    }
    let query = request.uri().query().unwrap_or_default();
    let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
    let scope = scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/");
    with_status(200, &serde_json::json!({ "token": scope }).to_string())
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")))
}

fn with_status(status: u16, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}

fn with_location(status: u16, location: &str) -> Answer {
    let mut answer = with_status(status, "");
    answer.headers_mut().insert(LOCATION, location.parse().expect("a location"));
    answer
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
