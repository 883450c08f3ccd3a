//! Images for the run: a program of ours and the libraries that it needs, as one layer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, Config, ImageLayer},
    secrets::RegistryAuth,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

/// A program and what must be beside it.
pub(crate) struct ImageContent {
    /// The program on this machine; it becomes the entry point.
    pub(crate) program: PathBuf,
    /// Arguments of the entry point.
    pub(crate) arguments: Vec<String>,
    /// Further files, by their path in the image.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// Pushes an image under `reference` to a registry whose certificate `ca_pem` signed.
pub(crate) async fn push(reference: &str, content: &ImageContent, ca_pem: &str) -> anyhow::Result<()> {
    let layer = layer(content).await?;
    let diff = format!("sha256:{:x}", Sha256::digest(&layer));
    let name = Path::new("/").join(content.program.file_name().context("a program has a name")?);
    let entrypoint: Vec<String> =
        std::iter::once(name.display().to_string()).chain(content.arguments.iter().cloned()).collect();
    let config = json!({
        "architecture": architecture()?, "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/usr/bin:/bin:/"]},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    });
    let reference: Reference = reference.parse()?;
    let certificate = Certificate { encoding: CertificateEncoding::Pem, data: ca_pem.as_bytes().to_vec() };
    let client =
        Client::new(ClientConfig { extra_root_certificates: vec![certificate], ..Default::default() });
    let layers = [ImageLayer::oci_v1(layer, None)];
    let config = Config::oci_v1(serde_json::to_vec(&config)?, None);
    let pushed = client.push(&reference, &layers, config, &RegistryAuth::Anonymous, None).await;
    pushed.with_context(|| format!("cannot push {reference}"))?;
    Ok(())
}

fn architecture() -> anyhow::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("images for {other} are not made here"),
    }
}

async fn layer(content: &ImageContent) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let program = fs::read(&content.program)
        .with_context(|| format!("cannot read {}; build it first", content.program.display()))?;
    let name = content.program.file_name().context("a program has a name")?;
    add(&mut tar, Path::new(name), &program, 0o755)?;
    for library in libraries(&content.program).await? {
        let bytes = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        add(&mut tar, library.strip_prefix("/")?, &bytes, 0o755)?;
    }
    for (path, bytes) in &content.files {
        add(&mut tar, Path::new(path.trim_start_matches('/')), bytes, 0o644)?;
    }
    Ok(tar.into_inner()?)
}

fn add(tar: &mut tar::Builder<Vec<u8>>, path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len().try_into()?);
    header.set_mode(mode);
    tar.append_data(&mut header, path, bytes)?;
    Ok(())
}

/// The shared libraries of a program, its loader included, by their absolute paths.
async fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().await.context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let paths = text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.dedup();
    Ok(paths)
}
