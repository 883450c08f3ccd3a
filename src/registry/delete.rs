//! Removes an image from a registry: the manifest, and then the blobs that nobody else refers to.
//!
//! The layer holds every page of a process's memory. Without its manifest it can no longer be pulled by name, but
//! whoever knows its digest could go on reading it until the registry collects its garbage, so the blobs are deleted
//! as well where the registry does that.

use http::{HeaderValue, Method, StatusCode, header::ACCEPT};
use serde::Deserialize;

use super::{
    connection::Connection,
    error::TransferError,
    image::{MANIFEST_BYTES_MAX, MANIFEST_MEDIA_TYPE, digest_of},
    report::ImageDeletion,
    session::{Answer, Ask, Session},
};

/// What [`delete`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedImage {
    /// What became of the manifest.
    pub image: ImageDeletion,
    /// Blobs that were removed at once.
    pub blobs_deleted: u32,
}

impl DeletedImage {
    /// There was nothing to delete.
    pub(super) const ALREADY_GONE: Self = Self { image: ImageDeletion::AlreadyGone, blobs_deleted: 0 };
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

/// Deletes the image of `connection`, by digest or by tag. An image that is not there is as good as deleted.
pub async fn delete(connection: &Connection) -> Result<DeletedImage, TransferError> {
    let session = &Session::new(connection);
    let named = connection.url(&format!("manifests/{}", connection.named()));
    let Some(manifest) = manifest(session, named).await? else {
        return Ok(DeletedImage::ALREADY_GONE);
    };
    // By digest: most registries delete nothing else, and whatever else a tag may point to now is not ours.
    let by_digest = connection.url(&format!("manifests/{}", digest_of(&manifest)));
    let answer = send(session, Method::DELETE, by_digest).await?;
    let deletion = match answer.status() {
        status if status.is_success() => ImageDeletion::Deleted,
        StatusCode::NOT_FOUND => ImageDeletion::AlreadyGone,
        _ => return Err(refused_deletion(session, answer).await),
    };
    let mut blobs_deleted = 0;
    for digest in blobs_of(&manifest) {
        // Registries that do not offer this collect their garbage themselves; the image is gone either way.
        let answer = send(session, Method::DELETE, connection.url(&format!("blobs/{digest}"))).await;
        blobs_deleted += u32::from(answer.is_ok_and(|answer| answer.status().is_success()));
    }
    Ok(DeletedImage { image: deletion, blobs_deleted })
}

fn blobs_of(manifest: &[u8]) -> Vec<String> {
    let Ok(blobs) = serde_json::from_slice::<BlobsOfManifest>(manifest) else { return Vec::new() };
    blobs.layers.into_iter().chain(blobs.config).map(|blob| blob.digest).collect()
}

async fn send(session: &Session<'_>, method: Method, url: String) -> Result<Answer, TransferError> {
    session.send(&Ask::of(method, url).header(ACCEPT, HeaderValue::from_static(MANIFEST_MEDIA_TYPE))).await
}

/// The manifest's bytes; none when the registry has none.
async fn manifest(session: &Session<'_>, url: String) -> Result<Option<Vec<u8>>, TransferError> {
    let answer = send(session, Method::GET, url).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(session.refused(answer).await),
    }
    let body = session.read(answer, MANIFEST_BYTES_MAX).await?;
    if body.len() > MANIFEST_BYTES_MAX {
        return Err(TransferError::from_status(session.registry(), 200, "its manifest is oversized"));
    }
    Ok(Some(body))
}

async fn refused_deletion(session: &Session<'_>, answer: Answer) -> TransferError {
    match session.refused(answer).await {
        TransferError::Rejected { registry, status: Some(status), why }
            if status == 405 || (status == 400 && why.contains("UNSUPPORTED")) =>
        {
            TransferError::DeletionUnsupported { registry, status, why }
        }
        other => other,
    }
}
