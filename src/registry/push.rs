//! Sends an archive to a registry as the only layer of an image, in constant memory.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{
    HeaderName, HeaderValue, Method,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE},
};
use sha2::{Digest as _, Sha256};

use super::{
    archive::{Archive, ArchiveError},
    connection::Connection,
    error::TransferError,
    http::pieces,
    image::{CheckpointImage, MANIFEST_BYTES_MAX, MANIFEST_MEDIA_TYPE, digest_of, digest_text},
    session::{Answer, Ask, Content, Session},
};

/// One request's body, and about what a push needs of memory.
const CHUNK_BYTES: usize = 4 << 20;
/// Bytes that are read at once where a chunk is no request of its own: several of them are in memory at a time.
const READ_BYTES: usize = 256 << 10;
/// Attempts of each step. A longer outage is the Job's business: it starts the whole transfer again.
const ATTEMPTS_MAX: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(250);
/// Which manifest an answer is about.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
const MANIFEST: HeaderValue = HeaderValue::from_static(MANIFEST_MEDIA_TYPE);

/// An image that the registry serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedImage {
    /// Digest of the manifest.
    pub digest: String,
    /// Reference by digest.
    pub reference: String,
    /// How often the layer's upload was started.
    pub attempts: u32,
}

/// How a layer's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// In chunks, each its own request; the digest is computed meanwhile.
    Chunked,
    /// In one request, which names the digest at its start: the archive is read twice.
    Monolithic,
}

/// Pushes `archive` as an image, and returns when the registry serves it by its digest.
///
/// Each step is repeated a few times when the registry or the network fails; the layer then starts from its first
/// byte. A registry that does not take chunks gets the layer in one piece.
///
/// See <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push>.
pub async fn push(connection: &Connection, archive: Arc<Archive>) -> Result<PushedImage, TransferError> {
    let session = Session::new(connection);
    let mut pusher =
        Pusher { connection, session, archive: archive.clone(), upload: Upload::Chunked, attempts: 0 };
    let layer = pusher.layer_with_retries().await?;
    archive.check_unchanged()?;
    let image = CheckpointImage::compose(archive.identity(), &layer, archive.bytes());
    let pusher = &pusher;
    with_retries(|| pusher.config(&image)).await?;
    with_retries(|| pusher.manifest(&image)).await?;
    with_retries(|| pusher.confirm(&image)).await?;
    let reference = connection.by_digest(&image.manifest_digest);
    Ok(PushedImage { digest: image.manifest_digest, reference, attempts: pusher.attempts })
}

struct Pusher<'a> {
    connection: &'a Connection,
    session: Session<'a>,
    archive: Arc<Archive>,
    upload: Upload,
    attempts: u32,
}

impl Pusher<'_> {
    /// The layer's digest, once the registry has it.
    async fn layer_with_retries(&mut self) -> Result<String, TransferError> {
        loop {
            self.attempts += 1;
            let error = match self.layer().await {
                Ok(digest) => return Ok(digest),
                Err(error) if self.attempts < ATTEMPTS_MAX => error,
                Err(error) => return Err(error),
            };
            if self.upload == Upload::Chunked && refuses_chunks(&error) {
                tracing::info!(%error, "the registry does not take chunks; sending the layer in one piece");
                self.upload = Upload::Monolithic;
            } else if error.reason().is_temporary() {
                pause_before(self.attempts, &error).await;
            } else {
                return Err(error);
            }
        }
    }

    async fn layer(&self) -> Result<String, TransferError> {
        match self.upload {
            Upload::Chunked => self.layer_in_chunks().await,
            Upload::Monolithic => {
                let digest = self.digest().await?;
                let archive = self.archive.clone();
                let body = move || pieces(reads(archive.clone()));
                self.blob(&digest, self.archive.bytes(), Content::Pieces(&body)).await?;
                Ok(digest)
            }
        }
    }

    async fn layer_in_chunks(&self) -> Result<String, TransferError> {
        let mut upload = self.begin().await?;
        let (mut hash, mut at) = (Sha256::new(), 0);
        loop {
            let chunk = self.archive.read(at, CHUNK_BYTES).await.map_err(|error| self.unread(error))?;
            let length = chunk.len() as u64;
            if length == 0 {
                break;
            }
            hash.update(&chunk);
            let range = HeaderValue::try_from(format!("{at}-{}", at + length - 1));
            let range = range.unwrap_or(HeaderValue::from_static("0-0"));
            let ask = Ask::of(Method::PATCH, upload)
                .header(CONTENT_TYPE, BINARY)
                .header(CONTENT_RANGE, range)
                .carrying(Content::Whole(chunk));
            let answer = self.granted(&ask).await?;
            upload = self.session.next(&ask.url, &answer)?;
            at += length;
        }
        let digest = digest_text(&hash.finalize());
        self.granted(&finish(&upload, &digest)).await?;
        Ok(digest)
    }

    /// Sends a blob in one piece.
    async fn blob(&self, digest: &str, length: u64, body: Content<'_>) -> Result<(), TransferError> {
        let upload = self.begin().await?;
        let ask = Ask::of(Method::PUT, with_digest(&upload, digest))
            .header(CONTENT_TYPE, BINARY)
            .header(CONTENT_LENGTH, length)
            .carrying(body);
        self.granted(&ask).await.map(drop)
    }

    /// Where an upload that is begun now goes on.
    async fn begin(&self) -> Result<String, TransferError> {
        let ask = Ask::of(Method::POST, self.connection.url("blobs/uploads/")).header(CONTENT_LENGTH, 0);
        let answer = self.granted(&ask).await?;
        self.session.next(&ask.url, &answer)
    }

    async fn config(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let config = Content::Whole(Bytes::from(image.config.clone()));
        self.blob(&image.config_digest, image.config.len() as u64, config).await
    }

    async fn manifest(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let ask =
            Ask::of(Method::PUT, self.connection.url(&format!("manifests/{}", self.connection.named())))
                .header(CONTENT_TYPE, MANIFEST)
                .carrying(Content::Whole(Bytes::from(image.manifest.clone())));
        self.granted(&ask).await.map(drop)
    }

    /// The registry must serve these very bytes: a runtime restores by the annotations that are in them.
    async fn confirm(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let url = self.connection.url(&format!("manifests/{}", image.manifest_digest));
        let head = Ask::of(Method::HEAD, url.clone()).header(ACCEPT, MANIFEST);
        let answer = self.granted(&head).await?;
        let said = answer.headers().get(CONTENT_DIGEST).and_then(|digest| digest.to_str().ok());
        let served = match said {
            Some(digest) => digest.to_owned(),
            None => {
                let ask = Ask::of(Method::GET, url).header(ACCEPT, MANIFEST);
                let answer = self.granted(&ask).await?;
                digest_of(&self.session.read(answer, MANIFEST_BYTES_MAX).await?)
            }
        };
        if served == image.manifest_digest {
            return Ok(());
        }
        Err(TransferError::Rejected {
            registry: self.session.registry().to_owned(),
            status: None,
            why: format!("it serves {served} in place of {}", image.manifest_digest),
        })
    }

    /// The answer, if it is one of success: which, registries do not agree on.
    async fn granted(&self, ask: &Ask<'_>) -> Result<Answer, TransferError> {
        let answer = self.session.send(ask).await.map_err(|error| error.of_disk(self.archive.path()))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.session.refused(answer).await) }
    }

    async fn digest(&self) -> Result<String, TransferError> {
        let (mut hash, mut at) = (Sha256::new(), 0);
        loop {
            let read = self.archive.read(at, READ_BYTES).await.map_err(|error| self.unread(error))?;
            if read.is_empty() {
                return Ok(digest_text(&hash.finalize()));
            }
            hash.update(&read);
            at += read.len() as u64;
        }
    }

    fn unread(&self, source: std::io::Error) -> TransferError {
        ArchiveError::Disk { path: self.archive.path().to_owned(), source }.into()
    }
}

/// The archive's bytes, some at a time.
fn reads(archive: Arc<Archive>) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold((archive, 0), async |(archive, at)| {
        let read = archive.read(at, READ_BYTES).await?;
        let next = at + read.len() as u64;
        Ok((!read.is_empty()).then_some((read, (archive, next))))
    })
}

/// The last request of an upload in chunks: some registries read everything again before they answer.
fn finish(upload: &str, digest: &str) -> Ask<'static> {
    Ask::of(Method::PUT, with_digest(upload, digest)).header(CONTENT_LENGTH, 0).patient()
}

/// The address that ends an upload: what is in it already is the registry's own.
fn with_digest(upload: &str, digest: &str) -> String {
    let joined = if upload.contains('?') { '&' } else { '?' };
    format!("{upload}{joined}digest={digest}")
}

/// Whether another form of upload may be accepted: anything that is said about the request and not about who sends
/// it or how large it is. Artifact Registry, for one, takes no chunks.
fn refuses_chunks(error: &TransferError) -> bool {
    matches!(error, TransferError::Rejected { status, .. } if *status != Some(413))
}

async fn with_retries<T>(step: impl AsyncFn() -> Result<T, TransferError>) -> Result<T, TransferError> {
    let mut attempt = 1;
    loop {
        match step().await {
            Err(error) if attempt < ATTEMPTS_MAX && error.reason().is_temporary() => {
                pause_before(attempt, &error).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn pause_before(attempt: u32, error: &TransferError) {
    let pause = BACKOFF * 2_u32.saturating_pow(attempt - 1);
    tracing::warn!(%error, attempt, pause_ms = pause.as_millis(), "trying again");
    tokio::time::sleep(pause).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_upload_keeps_what_the_registry_put_into_its_address_and_is_waited_for() {
        let ask = finish("https://registry.example.com/v2/x/blobs/uploads/7?_state=a%3D", "sha256:aa");
        assert_eq!(ask.url, "https://registry.example.com/v2/x/blobs/uploads/7?_state=a%3D&digest=sha256:aa");
        assert_eq!(ask.limit, None);
        assert_eq!(
            finish("https://registry.example.com/7", "sha256:aa").url,
            "https://registry.example.com/7?digest=sha256:aa"
        );
    }
}
