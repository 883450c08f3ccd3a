//! Sends an archive to a registry as the only layer of an image, in constant memory.

use std::time::Duration;

use futures::TryStreamExt as _;
use oci_client::{Client, RegistryOperation, errors::OciDistributionError};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::{
    archive::Archive,
    connection::{Connection, Upload},
    error::TransferError,
    image::{CheckpointImage, MANIFEST_MEDIA_TYPE, digest_text},
};

/// One request's body, and about what a push needs of memory.
const CHUNK_BYTES: usize = 4 << 20;
/// Bytes that are read at once where a chunk is no request of its own: several of them are in memory at a time.
const READ_BYTES: usize = 256 << 10;
/// Attempts of each step. A longer outage is the Job's business: it starts the whole transfer again.
const ATTEMPTS_MAX: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(250);

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

/// Pushes `archive` as an image, and returns when the registry serves it by its digest.
///
/// Each step is repeated a few times when the registry or the network fails; the layer then starts from its first
/// byte. A registry that does not take chunks gets the layer in one piece.
pub async fn push(connection: &Connection, archive: &Archive) -> Result<PushedImage, TransferError> {
    let mut pusher = Pusher {
        connection,
        archive,
        client: connection.oci_client(Upload::Chunked)?,
        upload: Upload::Chunked,
        attempts: 0,
    };
    let layer = pusher.layer_with_retries().await?;
    archive.check_unchanged()?;
    let image = CheckpointImage::compose(archive.identity(), &layer, archive.bytes());
    let pusher = &pusher;
    with_retries(|| pusher.config(&image)).await?;
    with_retries(|| pusher.manifest(&image)).await?;
    with_retries(|| pusher.confirm(&image)).await?;
    let by_digest = connection.image.clone_with_digest(image.manifest_digest.clone());
    Ok(PushedImage { digest: image.manifest_digest, reference: by_digest.whole(), attempts: pusher.attempts })
}

struct Pusher<'a> {
    connection: &'a Connection,
    archive: &'a Archive,
    client: Client,
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
                self.client = self.connection.oci_client(Upload::Monolithic)?;
            } else if error.reason().is_temporary() {
                pause_before(self.attempts, &error).await;
            } else {
                return Err(error);
            }
        }
    }

    async fn layer(&self) -> Result<String, TransferError> {
        self.client
            .auth(&self.connection.image, &self.connection.registry_auth(), RegistryOperation::Push)
            .await
            .map_err(|error| self.classify(error))?;
        match self.upload {
            Upload::Chunked => {
                let sent = self
                    .client
                    .push_blob_stream_chunked(&self.connection.image, self.chunks(CHUNK_BYTES)?)
                    .await
                    .map_err(|error| self.classify(error))?;
                Ok(sent.blob_digest)
            }
            Upload::Monolithic => {
                let digest = self.digest().await?;
                let (chunks, bytes) = (self.chunks(READ_BYTES)?, Some(self.archive.bytes()));
                self.client
                    .push_blob_stream(&self.connection.image, chunks, &digest, bytes)
                    .await
                    .map_err(|error| self.classify(error))?;
                Ok(digest)
            }
        }
    }

    async fn config(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let sent =
            self.client.push_blob(&self.connection.image, image.config.clone(), &image.config_digest).await;
        sent.map(drop).map_err(|error| self.classify(error))
    }

    async fn manifest(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let media_type = http::HeaderValue::from_static(MANIFEST_MEDIA_TYPE);
        let sent =
            self.client.push_manifest_raw(&self.connection.image, image.manifest.clone(), media_type).await;
        sent.map(drop).map_err(|error| self.classify(error))
    }

    /// The registry must serve these very bytes: a runtime restores by the annotations that are in them.
    async fn confirm(&self, image: &CheckpointImage) -> Result<(), TransferError> {
        let by_digest = self.connection.image.clone_with_digest(image.manifest_digest.clone());
        let auth = self.connection.registry_auth();
        let served = self.client.fetch_manifest_digest(&by_digest, &auth).await;
        match served.map_err(|error| self.classify(error))? {
            served if served == image.manifest_digest => Ok(()),
            served => Err(TransferError::Rejected {
                registry: self.connection.registry().to_owned(),
                status: None,
                why: format!("it serves {served} in place of {}", image.manifest_digest),
            }),
        }
    }

    /// The archive's bytes as they were counted when it was opened, even if it grows meanwhile.
    fn chunks(
        &self,
        chunk_bytes: usize,
    ) -> Result<
        impl futures::Stream<Item = Result<bytes::Bytes, OciDistributionError>> + Send + 'static + use<>,
        TransferError,
    > {
        let mut file = self.archive.reader()?;
        file.set_max_buf_size(chunk_bytes);
        let limited = file.take(self.archive.bytes());
        Ok(ReaderStream::with_capacity(limited, chunk_bytes).map_err(OciDistributionError::IoError))
    }

    async fn digest(&self) -> Result<String, TransferError> {
        let mut hash = Sha256::new();
        let mut chunks = std::pin::pin!(self.chunks(READ_BYTES)?);
        while let Some(chunk) = chunks.try_next().await.map_err(|error| self.classify(error))? {
            hash.update(&chunk);
        }
        Ok(digest_text(&hash.finalize()))
    }

    fn classify(&self, error: OciDistributionError) -> TransferError {
        TransferError::from_oci(self.connection.registry(), self.archive.path(), error)
    }
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
