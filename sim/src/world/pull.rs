//! How a node gets a checkpoint image: over the network, by its digest.

use std::time::Duration;

use bytes::Bytes;
use http::{
    Request,
    header::{ACCEPT, HOST},
};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use ms2m::registry::image::MANIFEST_MEDIA_TYPE;
use ms2m_app::io::{Dial as _, Endpoint};
use sha2::{Digest as _, Sha256};
use tower::BoxError;

use super::images::layer_of;
use crate::network::SimDial;

/// How long a runtime waits for a registry.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pulls `reference`, `HOST:PORT/REPOSITORY@DIGEST` or with a tag; returns the digest of its layer, which has come whole.
pub(super) async fn pull(reference: &str) -> Result<String, String> {
    let pulled = tokio::time::timeout(TIMEOUT, fetch(reference)).await;
    pulled.unwrap_or_else(|_| Err("the registry does not answer".into())).map_err(|error| error.to_string())
}

async fn fetch(reference: &str) -> Result<String, BoxError> {
    let (registry, path) = reference.split_once('/').ok_or("no registry is named")?;
    let named = path.split_once('@').or_else(|| path.rsplit_once(':'));
    let (repository, named) = named.ok_or("neither tag nor digest is named")?;
    let manifest = get(registry, &format!("/v2/{repository}/manifests/{named}")).await?;
    let layer = layer_of(&manifest).ok_or("its manifest has no layer")?;
    let blob = get(registry, &format!("/v2/{repository}/blobs/{layer}")).await?;
    if format!("sha256:{:x}", Sha256::digest(&blob)) != layer {
        return Err(format!("{layer} has another digest").into());
    }
    Ok(layer)
}

/// The body of a successful answer.
async fn get(registry: &str, path: &str) -> Result<Bytes, BoxError> {
    let (host, port) = registry.split_once(':').ok_or("no port is named")?;
    let endpoint = Endpoint { host: host.to_owned(), port: port.parse()?, tls: false };
    let stream = TokioIo::new(SimDial.connect(&endpoint).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let request = Request::get(path)
        .header(HOST, registry)
        .header(ACCEPT, MANIFEST_MEDIA_TYPE)
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, BoxError>((status, answer.into_body().collect().await?.to_bytes()))
    };
    // A connection that ends before the answer is there has an error of its own, which the answer's tells.
    let driven = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let (status, body) = tokio::select! {
        biased;
        answer = answer => answer?,
        () = driven => return Err("the connection ended".into()),
    };
    match status.as_u16() {
        200 => Ok(body),
        404 => Err("not found in the registry".into()),
        _ => Err(format!("the registry answers {status}").into()),
    }
}
