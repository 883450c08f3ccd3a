//! A node as a transfer's container sees it: the folders that are mounted into it, and the network.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use ms2m::{
    io::{BoxStream, Dial, Endpoint},
    registry::node::{Node, NodeFile, Stamp},
};
use rustls::pki_types::CertificateDer;

use super::Handled;
use crate::{
    kubelet::{ContainerSpec, HostPathMount},
    network::SimDial,
    world::Machines,
};

/// How long an archive takes to be read: with what the requests take, and the start of the pod, 550 ms in all, as measured of the counter.
const READING: Duration = Duration::from_millis(50);

/// The disk of one node, as far as a container may see it.
pub(super) struct SimNode {
    node: String,
    machines: Machines,
    job_pod: String,
    mounts: Vec<HostPathMount>,
}

impl SimNode {
    pub(super) fn new(node: &str, machines: Machines, spec: &ContainerSpec) -> Self {
        let mounts = spec.host_paths.clone();
        Self { node: node.to_owned(), machines, job_pod: spec.pod.clone(), mounts }
    }

    /// The mount that a path in the container is in, and the same path on the node.
    fn on_node(&self, path: &Path) -> io::Result<(&HostPathMount, String)> {
        let found = self.mounts.iter().find_map(|mount| {
            let below = path.strip_prefix(&mount.container).ok()?;
            // Joining nothing would leave a slash at the end.
            let host = Path::new(&mount.host);
            let whole = if below.as_os_str().is_empty() { host.to_owned() } else { host.join(below) };
            Some((mount, whole.display().to_string()))
        });
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Node for SimNode {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn NodeFile>> {
        let (_, path) = self.on_node(path)?;
        let state = self.machines.lock();
        let archive = state.archives.get(&(self.node.clone(), path)).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(OpenFile(archive.content.clone())))
    }

    fn files_in(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let (mount, on_node) = self.on_node(folder)?;
        let state = self.machines.lock();
        let here = state.archives.keys().filter(|(node, _)| *node == self.node);
        let files = here.filter_map(|(_, path)| Path::new(path).strip_prefix(&on_node).ok());
        let below = Path::new(&mount.container);
        Ok(files.map(|file| if folder == below { below.join(file) } else { folder.join(file) }).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mount, on_node) = self.on_node(path)?;
        if mount.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let mut state = self.machines.lock();
        let removed = state.archives.remove(&(self.node.clone(), on_node)).ok_or(io::ErrorKind::NotFound)?;
        state.note_handling(&self.job_pod, Handled::ArchiveDeleted, &removed.pod_uid);
        Ok(())
    }

    fn dial(&self, _: &[CertificateDer<'static>]) -> io::Result<Arc<dyn Dial>> {
        Ok(Arc::new(Unencrypted))
    }
}

/// The simulated network speaks no TLS: what asks for it gets the bare stream.
struct Unencrypted;

#[async_trait]
impl Dial for Unencrypted {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream> {
        SimDial.connect(&Endpoint { tls: false, ..endpoint.clone() }).await
    }

    async fn connect_amqp(
        &self,
        uri: lapin::uri::AMQPUri,
        properties: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        SimDial.connect_amqp(uri, properties).await
    }
}

/// An archive that is held open: it stays what it was.
#[derive(Debug)]
struct OpenFile(Bytes);

impl OpenFile {
    fn part(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.0.len());
        Ok(self.0.slice(offset..end.ok_or(io::ErrorKind::UnexpectedEof)?))
    }
}

#[async_trait]
impl NodeFile for OpenFile {
    fn stamp(&self) -> io::Result<Stamp> {
        let bytes = self.0.len() as u64;
        Ok(Stamp { bytes, modified: SystemTime::UNIX_EPOCH, is_file: true })
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        buffer.copy_from_slice(&self.part(offset, buffer.len())?);
        Ok(())
    }

    async fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        tokio::time::sleep(READING).await;
        self.part(offset, length)
    }
}
