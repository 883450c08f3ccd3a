use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE},
    request::Parts,
};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{
    refusal::{Code, Refusal},
    request::Target,
    store::Store,
    uploads::{ContentRange, Session},
};

pub(super) type Answer = Response<Full<Bytes>>;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const BYTES: &str = "application/octet-stream";
const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Does what is asked for, in one step, and answers.
pub(super) fn perform(store: &mut Store, target: Option<&Target>, parts: &Parts, body: Bytes) -> Answer {
    let result = match target {
        None => Ok(reply(404, TEXT, "404 page not found\n")),
        Some(target) => dispatch(store, target, parts, body),
    };
    let mut answer = result.unwrap_or_else(|refusal| refused(&refusal));
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    answer
}

/// What a session gets of a body that breaks off.
pub(super) fn perform_in_part(store: &mut Store, target: Option<&Target>, parts: &Parts, begun: &[u8]) {
    let Some(Target::Upload { repository, session }) = target else { return };
    if matches!(parts.method, Method::PATCH | Method::PUT)
        && let Ok(session) = resume(store, repository, session, parts)
    {
        // Its session was there a moment ago, and nobody could end it since.
        let _ = store.append(session, begun, None);
    }
}

fn dispatch(store: &mut Store, target: &Target, parts: &Parts, body: Bytes) -> Result<Answer, Refusal> {
    Ok(match (target, &parts.method) {
        (Target::Root, _) => reply(200, JSON, "{}"),
        (Target::Slashless, _) => with(reply(301, TEXT, ""), LOCATION, &format!("{}/", parts.uri.path())),
        (Target::Uploads { repository }, &Method::POST) => start(store, repository, parts, body)?,
        (Target::Upload { repository, session }, &Method::GET | &Method::HEAD) => {
            goes_on(204, &resume(store, repository, session, parts)?)
        }
        (Target::Upload { repository, session }, &Method::PATCH) => {
            let session = resume(store, repository, session, parts)?;
            take_chunk(store, session, parts, &body)?
        }
        (Target::Upload { repository, session }, &Method::PUT) => {
            let session = resume(store, repository, session, parts)?;
            let digest = parameter(parts, "digest");
            created(repository, "blobs", &store.finish_upload(session, &body, digest.as_deref())?)
        }
        (Target::Upload { repository, session }, &Method::DELETE) => {
            store.cancel_upload(&resume(store, repository, session, parts)?);
            with(empty(204), UPLOAD_ID, session)
        }
        (Target::Manifest { repository, reference }, &Method::GET | &Method::HEAD) => {
            read_manifest(store, repository, reference, parts)?
        }
        (Target::Manifest { repository, reference }, &Method::PUT) => {
            let media_type = header(parts, &CONTENT_TYPE);
            created(repository, "manifests", &store.put_manifest(repository, reference, media_type, body)?)
        }
        (Target::Manifest { repository, reference }, &Method::DELETE) => {
            store.delete_manifest(repository, reference)?;
            empty(202)
        }
        (Target::Blob { repository, digest }, &Method::GET | &Method::HEAD) => {
            with(reply(200, BYTES, store.read_blob(repository, digest)?), CONTENT_DIGEST, digest)
        }
        (Target::Blob { repository, digest }, &Method::DELETE) => {
            store.delete_blob(repository, digest)?;
            empty(202)
        }
        (Target::Tags { repository }, &Method::GET) => list_tags(store, repository)?,
        _ => with(reply(405, TEXT, "Method not allowed\n"), ALLOW, target.allowed()),
    })
}

fn start(store: &mut Store, repository: &str, parts: &Parts, body: Bytes) -> Result<Answer, Refusal> {
    let (mount, from) = (parameter(parts, "mount"), parameter(parts, "from"));
    if let (Some(digest), Some(from)) = (mount, from)
        && store.mount_blob(repository, &from, &digest)
    {
        return Ok(created(repository, "blobs", &digest));
    }
    match parameter(parts, "digest") {
        Some(digest) => Ok(created(repository, "blobs", &store.take_blob(repository, body, &digest)?)),
        None => Ok(goes_on(202, &store.start_upload(repository))),
    }
}

fn take_chunk(store: &mut Store, session: Session, parts: &Parts, chunk: &[u8]) -> Result<Answer, Refusal> {
    if !matches!(header(parts, &CONTENT_TYPE), "" | BYTES) {
        return Err(Refusal::with(Code::Unknown, json!("bad Content-Type")));
    }
    let said = header(parts, &CONTENT_RANGE);
    let range = if said.is_empty() { None } else { Some(ContentRange::parse(said)?) };
    Ok(goes_on(202, &store.append(session, chunk, range)?))
}

fn resume(store: &Store, repository: &str, id: &str, parts: &Parts) -> Result<Session, Refusal> {
    store.resume_upload(repository, id, &parameter(parts, "_state").unwrap_or_default())
}

fn read_manifest(store: &Store, repository: &str, reference: &str, parts: &Parts) -> Result<Answer, Refusal> {
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accepted = accepted.collect::<Vec<_>>().join(",");
    let (digest, found) = store.read_manifest(repository, reference, &accepted)?;
    Ok(with(reply(200, found.media_type, found.bytes.clone()), CONTENT_DIGEST, digest))
}

fn list_tags(store: &Store, repository: &str) -> Result<Answer, Refusal> {
    let tags = store.list_tags(repository)?;
    let tags = if tags.is_empty() { Value::Null } else { json!(tags) };
    Ok(reply(200, JSON, format!("{}\n", json!({ "name": repository, "tags": tags }))))
}

fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What says why nothing was done.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    reply(refusal.status, JSON, format!("{}\n", refusal.body()))
}

fn created(repository: &str, what: &str, digest: &str) -> Answer {
    let answer = with(empty(201), LOCATION, &format!("/v2/{repository}/{what}/{digest}"));
    with(answer, CONTENT_DIGEST, digest)
}

fn goes_on(status: u16, session: &Session) -> Answer {
    let answer = with(empty(status), LOCATION, &session.location());
    with(with(answer, UPLOAD_ID, &session.id), RANGE, &session.range())
}

fn reply(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = empty(status);
    *answer.body_mut() = Full::new(body.into());
    with(answer, CONTENT_TYPE, content_type)
}

fn empty(status: u16) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

fn with(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    // Fails for no value here: digests, sessions and paths of requests are visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
