//! Removes an image from a registry: the manifest, and then the blobs that nobody else refers to.
//!
//! The layer holds every page of a process's memory. Without its manifest it can no longer be pulled by name, but
//! whoever knows its digest could go on reading it until the registry collects its garbage, so the blobs are deleted
//! as well where the registry does that.

use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use super::{
    connection::Connection,
    credentials::Credentials,
    error::TransferError,
    image::{MANIFEST_MEDIA_TYPE, digest_of},
    report::ImageDeletion,
};

/// The specification's limit for manifests.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Of an error's body.
const EXCERPT_BYTES_MAX: usize = 1024;

/// What [`delete`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedImage {
    /// What became of the manifest.
    pub image: ImageDeletion,
    /// Blobs that were removed at once.
    pub blobs_deleted: u32,
}

#[derive(Deserialize)]
struct BlobsOfManifest {
    config: Option<BlobDigest>,
    #[serde(default)]
    layers: Vec<BlobDigest>,
}

#[derive(Deserialize)]
struct BlobDigest {
    digest: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(alias = "access_token")]
    token: String,
}

/// Deletes the image of `connection`, by digest or by tag. An image that is not there is as good as deleted.
pub async fn delete(connection: &Connection) -> Result<DeletedImage, TransferError> {
    let mut session = Session { connection, http: connection.http_client()?, authorization: None };
    let image = &connection.image;
    let named = image.digest().or(image.tag()).unwrap_or("latest");
    let Some(manifest) = session.manifest(named).await? else {
        return Ok(DeletedImage { image: ImageDeletion::AlreadyGone, blobs_deleted: 0 });
    };
    // By digest: most registries delete nothing else, and whatever else a tag may point to now is not ours.
    let answer = session.send(Method::DELETE, &format!("manifests/{}", digest_of(&manifest))).await?;
    let deletion = match answer.status() {
        status if status.is_success() => ImageDeletion::Deleted,
        StatusCode::NOT_FOUND => ImageDeletion::AlreadyGone,
        _ => return Err(session.refused_deletion(answer).await),
    };
    let mut blobs_deleted = 0;
    for digest in blobs_of(&manifest) {
        // Registries that do not offer this collect their garbage themselves; the image is gone either way.
        let answer = session.send(Method::DELETE, &format!("blobs/{digest}")).await;
        blobs_deleted += u32::from(answer.is_ok_and(|answer| answer.status().is_success()));
    }
    Ok(DeletedImage { image: deletion, blobs_deleted })
}

fn blobs_of(manifest: &[u8]) -> Vec<String> {
    let Ok(blobs) = serde_json::from_slice::<BlobsOfManifest>(manifest) else { return Vec::new() };
    blobs.layers.into_iter().chain(blobs.config).map(|blob| blob.digest).collect()
}

struct Session<'a> {
    connection: &'a Connection,
    http: reqwest::Client,
    authorization: Option<HeaderValue>,
}

impl Session<'_> {
    async fn manifest(&mut self, named: &str) -> Result<Option<Vec<u8>>, TransferError> {
        let answer = self.send(Method::GET, &format!("manifests/{named}")).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refused(answer).await),
        }
        let body = self.read(answer, MANIFEST_BYTES_MAX).await?;
        if body.len() > MANIFEST_BYTES_MAX {
            return Err(TransferError::from_status(
                self.connection.registry(),
                200,
                "its manifest is oversized",
            ));
        }
        Ok(Some(body))
    }

    /// Sends a request, and once more with an answer to the registry's challenge. Rights differ per request, so each
    /// may be challenged anew.
    async fn send(&mut self, method: Method, path: &str) -> Result<Response, TransferError> {
        let answer = self.send_once(&method, path).await?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let (StatusCode::UNAUTHORIZED, Some(challenge)) = (answer.status(), challenge) else {
            return Ok(answer);
        };
        let Some(authorization) = self.answer(challenge).await? else { return Ok(answer) };
        self.authorization = Some(authorization);
        self.send_once(&method, path).await
    }

    async fn send_once(&self, method: &Method, path: &str) -> Result<Response, TransferError> {
        let mut request = self.http.request(method.clone(), self.connection.url(path));
        request = request.header(ACCEPT, MANIFEST_MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| TransferError::from_http(self.connection.registry(), error))
    }

    /// The `Authorization` that a challenge asks for; `None` when we have none to give.
    async fn answer(&self, challenge: &str) -> Result<Option<HeaderValue>, TransferError> {
        if let Credentials::Token(token) = &self.connection.credentials {
            return Ok(secret_header(format!("Bearer {token}")));
        }
        let challenges = http_auth::parse_challenges(challenge).unwrap_or_default();
        let parameter = |name: &str| {
            let bearer =
                challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))?;
            let found = bearer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1.to_unescaped())
        };
        let Some(realm) = parameter("realm") else { return Ok(self.basic_authorization()) };
        let repository = self.connection.image.repository();
        let scope = parameter("scope").unwrap_or_else(|| format!("repository:{repository}:pull,push,delete"));
        let mut request = self.http.get(&realm).query(&[("scope", scope)]);
        if let Some(service) = parameter("service") {
            request = request.query(&[("service", service)]);
        }
        if let Credentials::Password { username, password } = &self.connection.credentials
            && self.connection.may_see_credentials(&realm)
        {
            request = request.basic_auth(username, Some(password));
        }
        let registry = self.connection.registry();
        let answer = request.send().await.map_err(|error| TransferError::from_http(registry, error))?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        let body = self.read(answer, MANIFEST_BYTES_MAX).await?;
        let token: TokenAnswer = serde_json::from_slice(&body).map_err(|_| {
            TransferError::from_status(registry, 401, "its token server answers without a token")
        })?;
        Ok(secret_header(format!("Bearer {}", token.token)))
    }

    fn basic_authorization(&self) -> Option<HeaderValue> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let Credentials::Password { username, password } = &self.connection.credentials else { return None };
        secret_header(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    }

    /// At most a little more than `bytes_max` of a body.
    async fn read(&self, mut answer: Response, bytes_max: usize) -> Result<Vec<u8>, TransferError> {
        let mut body = Vec::new();
        let broken = |error| TransferError::from_http(self.connection.registry(), error);
        while body.len() <= bytes_max
            && let Some(chunk) = answer.chunk().await.map_err(broken)?
        {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn refused(&self, answer: Response) -> TransferError {
        let status = answer.status().as_u16();
        let body = self.read(answer, EXCERPT_BYTES_MAX).await.unwrap_or_default();
        TransferError::from_status(self.connection.registry(), status, String::from_utf8_lossy(&body))
    }

    async fn refused_deletion(&self, answer: Response) -> TransferError {
        match self.refused(answer).await {
            TransferError::Rejected { registry, status: Some(status), why }
                if status == 405 || (status == 400 && why.contains("UNSUPPORTED")) =>
            {
                TransferError::DeletionUnsupported { registry, status, why }
            }
            other => other,
        }
    }
}

fn secret_header(value: String) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}
