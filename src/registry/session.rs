//! Requests to one registry, introduced as it asks for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION, USER_AGENT, WWW_AUTHENTICATE},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use tower::BoxError;

use super::{
    connection::Connection,
    credentials::Credentials,
    error::TransferError,
    http::{Body, Http, empty, whole},
};

/// For requests that carry nothing and ask for little, and for the answers that are read.
const SMALL_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an error's body.
const EXCERPT_BYTES_MAX: usize = 1024;
/// Of a token server's answer.
const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Redirections of one request that are followed.
const REDIRECTIONS_MAX: u32 = 5;

pub(super) type Answer = Response<Incoming>;

/// What is known of a registry while it is talked to.
pub(super) struct Session<'a> {
    connection: &'a Connection,
    http: Http,
    authorization: Mutex<Option<HeaderValue>>,
}

/// One request, which may have to be sent again once it is known how to introduce oneself.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Absolute.
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Content<'a>,
    /// How long its answer may take; where there is none, as long as the connection lets it, see [`Http`].
    pub(super) limit: Option<Duration>,
}

/// What a request carries.
pub(super) enum Content<'a> {
    /// Nothing, or a few mebibytes.
    Whole(Bytes),
    /// More than fits into memory: made anew each time it is sent.
    Pieces(&'a (dyn Fn() -> Body + Sync)),
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(alias = "access_token")]
    token: String,
}

impl<'a> Ask<'a> {
    /// One without a body, that is answered soon.
    pub(super) fn of(method: Method, url: String) -> Self {
        let (headers, body) = (HeaderMap::new(), Content::Whole(Bytes::new()));
        Self { method, url, headers, body, limit: Some(SMALL_REQUEST_TIMEOUT) }
    }

    /// The same, where the registry may have to read all that it was sent before it answers.
    pub(super) fn patient(mut self) -> Self {
        self.limit = None;
        self
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: http::HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// The same with a body.
    pub(super) fn carrying(mut self, body: Content<'a>) -> Self {
        self.body = body;
        self.patient()
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, http: Http::new(connection.dial()), authorization: Mutex::default() }
    }

    /// Host and port of the registry, for messages.
    pub(super) fn registry(&self) -> &str {
        self.connection.registry()
    }

    /// Sends a request, and once more with an answer to the registry's challenge. Rights differ per request, so each may be
    /// challenged anew.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, TransferError> {
        let answer = self.follow(ask).await?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let (StatusCode::UNAUTHORIZED, Some(challenge)) = (answer.status(), challenge) else {
            return Ok(answer);
        };
        let Some(authorization) = self.answer(challenge).await? else { return Ok(answer) };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        self.follow(ask).await
    }

    /// Sends a request to where it is redirected, when it only reads.
    async fn follow(&self, ask: &Ask<'_>) -> Result<Answer, TransferError> {
        let mut url = ask.url.clone();
        for _ in 0..REDIRECTIONS_MAX {
            let answer = self.send_to(&url, ask).await?;
            let reads = [Method::GET, Method::HEAD].contains(&ask.method);
            match location(&answer) {
                Some(elsewhere) if reads && answer.status().is_redirection() => {
                    url = self.absolute(&url, elsewhere)?;
                }
                _ => return Ok(answer),
            }
        }
        Err(self.rejected(None, "it redirects in circles"))
    }

    async fn send_to(&self, url: &str, ask: &Ask<'_>) -> Result<Answer, TransferError> {
        let body = match &ask.body {
            Content::Whole(bytes) => whole(bytes.clone()),
            Content::Pieces(make) => make(),
        };
        let mut request = Request::builder().method(&ask.method).uri(url);
        request = request.header(USER_AGENT, concat!("ms2m/", env!("CARGO_PKG_VERSION")));
        if let Some(headers) = request.headers_mut() {
            headers.extend(ask.headers.clone());
            let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // Nobody else is told who we are.
            if let Some(known) = known.filter(|_| self.connection.is_registry(url)) {
                headers.insert(AUTHORIZATION, known);
            }
        }
        let request = request.body(body).map_err(|error| self.rejected(None, &error.to_string()))?;
        self.answered(request, ask.limit).await
    }

    async fn answered(
        &self,
        request: Request<Body>,
        limit: Option<Duration>,
    ) -> Result<Answer, TransferError> {
        let answer = self.http.send(request);
        let answer = match limit {
            None => answer.await,
            Some(limit) => within(limit, answer).await,
        };
        answer.map_err(|error| TransferError::from_http(self.registry(), &*error))
    }

    /// The `Authorization` that a challenge asks for; `None` when we have none to give.
    async fn answer(&self, challenge: &str) -> Result<Option<HeaderValue>, TransferError> {
        let credentials = self.connection.credentials();
        if let Credentials::Token(token) = credentials {
            return Ok(secret_header(format!("Bearer {token}")));
        }
        let challenges = http_auth::parse_challenges(challenge).unwrap_or_default();
        let parameter = |name: &str| {
            let bearer =
                challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))?;
            let found = bearer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1.to_unescaped())
        };
        let Some(realm) = parameter("realm") else { return Ok(basic(credentials)) };
        let repository = self.connection.repository();
        let scope = parameter("scope").unwrap_or_else(|| format!("repository:{repository}:pull,push,delete"));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("scope", &scope);
        if let Some(service) = parameter("service") {
            query.append_pair("service", &service);
        }
        let joined = if realm.contains('?') { '&' } else { '?' };
        let mut request = Request::get(format!("{realm}{joined}{}", query.finish()));
        if self.connection.may_see_credentials(&realm)
            && let Some(basic) = basic(credentials)
        {
            request = request.header(AUTHORIZATION, basic);
        }
        let request = request.body(empty()).map_err(|error| self.rejected(None, &error.to_string()))?;
        let answer = self.answered(request, Some(SMALL_REQUEST_TIMEOUT)).await?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        let body = self.read(answer, TOKEN_BYTES_MAX).await?;
        let token: TokenAnswer = serde_json::from_slice(&body).map_err(|_| {
            TransferError::from_status(self.registry(), 401, "its token server answers without a token")
        })?;
        Ok(secret_header(format!("Bearer {}", token.token)))
    }

    /// At most a little more than `bytes_max` of a body.
    pub(super) async fn read(&self, answer: Answer, bytes_max: usize) -> Result<Vec<u8>, TransferError> {
        let mut incoming = answer.into_body();
        let read = async {
            let mut body = Vec::new();
            while body.len() <= bytes_max
                && let Some(frame) = incoming.frame().await
            {
                body.extend_from_slice(frame?.data_ref().map_or(&[], |bytes| bytes));
            }
            Ok::<_, BoxError>(body)
        };
        let read = within(SMALL_REQUEST_TIMEOUT, read).await;
        read.map_err(|error| TransferError::from_http(self.registry(), &*error))
    }

    /// What an answer means that is not the wanted one.
    pub(super) async fn refused(&self, answer: Answer) -> TransferError {
        let status = answer.status().as_u16();
        let body = self.read(answer, EXCERPT_BYTES_MAX).await.unwrap_or_default();
        TransferError::from_status(self.registry(), status, String::from_utf8_lossy(&body))
    }

    /// Where an answer says that it goes on.
    pub(super) fn next(&self, asked: &str, answer: &Answer) -> Result<String, TransferError> {
        let next = location(answer).ok_or_else(|| {
            self.rejected(Some(answer.status()), "it does not say where the upload goes on (Location)")
        })?;
        self.absolute(asked, next)
    }

    /// A reference as in a `Location`, made absolute.
    fn absolute(&self, base: &str, reference: &str) -> Result<String, TransferError> {
        // Which address is not said: it carries the state of the upload.
        absolute(base, reference).ok_or_else(|| {
            let why = "it sends on to what is no address, or one without TLS; let it answer with relative or https locations";
            self.rejected(None, why)
        })
    }

    fn rejected(&self, status: Option<StatusCode>, why: &str) -> TransferError {
        let (registry, status) = (self.registry().to_owned(), status.map(|status| status.as_u16()));
        TransferError::Rejected { registry, status, why: why.to_owned() }
    }
}

/// From TLS it never goes on without: what is sent is a process's memory.
fn absolute(base: &str, reference: &str) -> Option<String> {
    let base: Uri = base.parse().ok()?;
    let scheme = base.scheme_str()?;
    if reference.starts_with("https://") || (reference.starts_with("http://") && scheme == "http") {
        return Some(reference.to_owned());
    }
    let origin = format!("{scheme}://{}", base.authority()?);
    reference.starts_with('/').then(|| format!("{origin}{reference}"))
}

fn location(answer: &Answer) -> Option<&str> {
    answer.headers().get(LOCATION).and_then(|value| value.to_str().ok())
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let Credentials::Password { username, password } = credentials else { return None };
    secret_header(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn secret_header(value: String) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::node::ThisNode;

    #[test]
    fn an_upload_goes_on_where_the_registry_says() {
        let image = "registry.example.com/checkpoints:1".parse().expect("a reference");
        let connection =
            Connection::new(&ThisNode, image, Credentials::Anonymous, None, false).expect("a connection");
        let asked = connection.url("blobs/uploads/");
        let rejected = |reference: &str| absolute(&asked, reference).is_none();
        for (said, goes_on) in [
            (
                "/v2/checkpoints/blobs/uploads/7?_state=x",
                "https://registry.example.com/v2/checkpoints/blobs/uploads/7?_state=x",
            ),
            ("https://elsewhere.example.com/7", "https://elsewhere.example.com/7"),
        ] {
            assert_eq!(absolute(&asked, said).as_deref(), Some(goes_on));
        }
        assert!(rejected("7") && rejected("ftp://x/7") && rejected(""));
        assert!(rejected("http://registry.example.com/7"), "memory is not sent in the clear");
        let local = "http://localhost:5000/7";
        assert_eq!(absolute("http://localhost:5000/v2/", local).as_deref(), Some(local));
    }

    /// It carries the upload's state, which whoever has it can go on with.
    #[test]
    fn an_address_that_is_refused_is_not_printed() {
        let image = "registry.example.com/checkpoints:1".parse().expect("a reference");
        let connection =
            Connection::new(&ThisNode, image, Credentials::Anonymous, None, false).expect("a connection");
        let session = Session::new(&connection);
        let said = "http://registry.example.com/v2/checkpoints/blobs/uploads/7?_state=of-the-upload";
        let error = session.absolute(&connection.url("blobs/uploads/"), said).expect_err("it has no TLS");
        let told = error.to_string();
        assert!(told.contains("one without TLS") && !told.contains("of-the-upload"), "{told}");
    }
}
