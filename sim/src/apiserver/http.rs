use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use kube::Resource as _;
use ms2m::api::StatefulMigration;
use ms2m_app::io::Stream;
use serde_json::{Value, json};

use super::{
    access, discovery,
    error::ApiError,
    execute::Reply,
    faults::Verdict,
    journal::RequestRecord,
    object::{items, meta},
    proxy,
    request::{Query, Request, Target, Verb},
    server::ApiServer,
    watch::{Watch, metadata_only},
};

pub(super) type Response = http::Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A connection that a fault breaks.
#[derive(Debug, thiserror::Error)]
#[error("the connection was broken on purpose")]
struct Broken;

/// Serves one HTTP/1.1 connection until the client or a fault ends it.
pub async fn serve_connection<S: Stream>(server: ApiServer, stream: S) {
    let service = hyper::service::service_fn(move |request| answer(server.clone(), request));
    let mut http = hyper::server::conn::http1::Builder::new();
    // The header would come from the wall clock.
    http.auto_date_header(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(target: "apiserver", %error, "connection ended");
    }
}

async fn answer(server: ApiServer, incoming: http::Request<Incoming>) -> Result<Response, Broken> {
    let (parts, body) = incoming.into_parts();
    let Ok(body) = body.collect().await else { return Err(Broken) };
    let path = parts.uri.path();
    let Some(target) = Target::parse(path) else {
        let found = discovery::document(&server.lock().store.catalogue, path);
        return Ok(match found {
            Some(document) => respond(200, &document),
            None => refuse(&ApiError::no_such_path()),
        });
    };
    let header = |name: http::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let raw_query = parts.uri.query().unwrap_or_default();
    let query = Query::parse(raw_query);
    let Some(verb) = verb_of(&parts.method, &target, &query) else {
        return Ok(refuse(&ApiError::method_not_allowed()));
    };
    let request = Request {
        verb,
        target,
        query,
        user_agent: header(http::header::USER_AGENT),
        content_type: header(http::header::CONTENT_TYPE),
        body: body.to_bytes().to_vec(),
    };
    let wants_metadata = header(http::header::ACCEPT).contains("as=PartialObjectMetadata");
    let mut record = record_of(&server, &request);
    let verdict = server.lock().faults.judge(&record);
    if let Some(delay) = verdict.delay {
        tokio::time::sleep(delay).await;
    }
    if verdict.lose_request {
        server.lock().journal.record(record);
        return Err(Broken);
    }
    let admitted = match precheck(&server, &record, &verdict) {
        Ok(()) => server.wait_until_fresh(&request).await,
        refused => refused,
    };
    let response = match admitted {
        Err(error) => failed(&server, record, &error),
        Ok(()) if request.target.plural == "nodes" && request.target.subresource.starts_with("proxy") => {
            let response = proxy::forward(&server, &parts.method, raw_query, &request)
                .await
                .unwrap_or_else(|error| refuse(&error));
            record.code = response.status().as_u16();
            server.lock().journal.record(record);
            response
        }
        Ok(()) if verb == Verb::Watch => watch(&server, &request, record, wants_metadata),
        Ok(()) => execute(&server, &request, record, wants_metadata),
    };
    if verdict.lose_acknowledgement { Err(Broken) } else { Ok(response) }
}

/// What a method means for the path that it is sent to.
fn verb_of(method: &Method, target: &Target, query: &Query) -> Option<Verb> {
    let one = !target.name.is_empty();
    Some(match *method {
        Method::GET if query.flag("watch") && !target.subresource.starts_with("proxy") => Verb::Watch,
        Method::GET if one => Verb::Get,
        Method::GET => Verb::List,
        Method::POST if !one || !target.subresource.is_empty() => Verb::Create,
        Method::PUT if one => Verb::Update,
        Method::PATCH if one => Verb::Patch,
        Method::DELETE if one => Verb::Delete,
        Method::DELETE => Verb::DeleteCollection,
        _ => return None,
    })
}

fn record_of(server: &ApiServer, request: &Request) -> RequestRecord {
    let target = request.target.clone();
    RequestRecord {
        at: server.lock().store.now(),
        verb: request.verb,
        group: target.group,
        plural: target.plural,
        namespace: target.namespace,
        name: target.name,
        uid: String::new(),
        subresource: target.subresource,
        user_agent: request.user_agent.clone(),
        manager: request.manager(),
        code: 0,
        changed: false,
    }
}

fn precheck(server: &ApiServer, record: &RequestRecord, verdict: &Verdict) -> Result<(), ApiError> {
    if let Some((code, retry_after_s)) = verdict.refuse {
        let reason = match code {
            409 => "Conflict",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        let refused = ApiError::new(code, reason, "the server was told to fail this request");
        return Err(match retry_after_s {
            Some(seconds) => refused.retry_after(seconds),
            None => refused,
        });
    }
    access::authorize(&server.lock().denied, record)
}

fn failed(server: &ApiServer, mut record: RequestRecord, error: &ApiError) -> Response {
    record.code = error.code;
    server.lock().journal.record(record);
    refuse(error)
}

fn execute(
    server: &ApiServer,
    request: &Request,
    mut record: RequestRecord,
    wants_metadata: bool,
) -> Response {
    let result = server.with_state(|state| {
        let before = state.store.version();
        let result = state.execute(request);
        record.code = match &result {
            Ok(reply) => reply.code,
            Err(error) => error.code,
        };
        record.changed = state.store.version() != before;
        state.encounters.gone += u64::from(record.code == 410);
        let is_status = record.subresource == "status" && record.group == StatefulMigration::group(&());
        state.encounters.conflicts += u64::from(record.code == 409 && is_status);
        if let (true, Verb::Create, Ok(reply)) = (record.name.is_empty(), request.verb, &result) {
            meta(&reply.body, "name").clone_into(&mut record.name);
        }
        if let (true, Ok(reply)) = (request.verb.is_write(), &result) {
            uid_in(&reply.body).clone_into(&mut record.uid);
        }
        state.journal.record(record);
        result
    });
    match result {
        Ok(reply) if wants_metadata => respond(reply.code, &reduced(&reply)),
        Ok(reply) => respond(reply.code, &reply.body),
        Err(error) => refuse(&error),
    }
}

/// Of the object that an answer shows, or that it says is gone.
fn uid_in(answer: &Value) -> &str {
    let uid = answer["metadata"]["uid"].as_str().or_else(|| answer["details"]["uid"].as_str());
    uid.unwrap_or_default()
}

/// The answer with the metadata of the object or the objects only.
fn reduced(reply: &Reply) -> Value {
    let body: &Arc<Value> = &reply.body;
    if body["items"].is_array() {
        let reduced: Vec<Value> = items(&body["items"]).iter().map(metadata_only).collect();
        return json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": body["metadata"],
            "items": reduced,
        });
    }
    if body["kind"] == "Status" { Value::clone(body) } else { metadata_only(body) }
}

fn watch(server: &ApiServer, request: &Request, mut record: RequestRecord, wants_metadata: bool) -> Response {
    match server.open_watch(request, record.clone(), wants_metadata) {
        Ok(watch) => {
            record.code = 200;
            server.lock().journal.record(record);
            let lines = futures::stream::unfold(watch, |mut watch: Watch| async move {
                watch.next().await.map(|line| (line, watch))
            });
            let body = StreamBody::new(lines.map(|line| Ok(Frame::data(line))));
            with_headers(200, body.boxed_unsync())
        }
        Err(error) => failed(server, record, &error),
    }
}

/// A JSON answer.
pub(super) fn respond(code: u16, body: &Value) -> Response {
    with_headers(code, Full::new(Bytes::from(body.to_string())).boxed_unsync())
}

/// An answer with a `Status` body. When to try again is said in it and in a header.
pub(super) fn refuse(error: &ApiError) -> Response {
    let mut response = respond(error.code, &error.to_status());
    if let Some(seconds) = error.details["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

fn with_headers(code: u16, body: UnsyncBoxBody<Bytes, Infallible>) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
