//! The machine that a transfer runs on, as far as it matters to one: its disk, and its way to the network.

use std::{
    fmt, fs, io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use rustls::{RootCertStore, pki_types::CertificateDer};

use crate::io::{Dial, SocketDial};

/// Where archives are and from where a registry is reached: the cut between a transfer and the world.
pub trait Node: Send + Sync {
    /// Opens a file for reading. It stays the same file when another takes its name.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn NodeFile>>;

    /// The regular files of a folder, in no order. Links are none: what they point to is not ours to delete.
    fn files_in(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// What opens connections. `authorities` are trusted besides the machine's own.
    fn dial(&self, authorities: &[CertificateDer<'static>]) -> io::Result<Arc<dyn Dial>>;
}

/// A file that is held open.
#[async_trait]
pub trait NodeFile: fmt::Debug + Send + Sync {
    /// How it stands now.
    fn stamp(&self) -> io::Result<Stamp>;

    /// Fills `buffer` with what begins at `offset`; an error of kind `UnexpectedEof` when there is less. For a few bytes.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The `length` bytes that begin at `offset`, without holding up what else goes on.
    async fn read(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// How a file stands: another stamp, another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its size.
    pub bytes: u64,
    /// When it was written to last.
    pub modified: SystemTime,
    /// Whether it is one, and not a folder.
    pub is_file: bool,
}

/// The machine that this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisNode;

impl Node for ThisNode {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn NodeFile>> {
        Ok(Arc::new(OpenFile(Arc::new(fs::File::open(path)?))))
    }

    fn files_in(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn dial(&self, authorities: &[CertificateDer<'static>]) -> io::Result<Arc<dyn Dial>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(authorities.iter().cloned());
        Ok(Arc::new(SocketDial::with_roots(roots)?))
    }
}

#[derive(Debug)]
struct OpenFile(Arc<fs::File>);

#[async_trait]
impl NodeFile for OpenFile {
    fn stamp(&self) -> io::Result<Stamp> {
        let metadata = self.0.metadata()?;
        Ok(Stamp { bytes: metadata.len(), modified: metadata.modified()?, is_file: metadata.is_file() })
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    async fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = self.0.clone();
        #[allow(clippy::disallowed_methods, reason = "a disk is slow, and this is where the real one is")]
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; length];
            file.read_exact_at(&mut buffer, offset)?;
            Ok(Bytes::from(buffer))
        });
        read.await.map_err(io::Error::other)?
    }
}
