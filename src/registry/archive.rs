//! A checkpoint archive as the kubelet leaves it on the node.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    identity::{IdentityError, identify},
    node::{Node, NodeFile, Stamp},
    report::ArchiveIdentity,
    tar_walk::{TarError, TarWalk},
};

const CONFIG_DUMP: &str = "config.dump";
const SPEC_DUMP: &str = "spec.dump";
/// CRIU writes it when everything else of the process is written.
const INVENTORY: &str = "checkpoint/inventory.img";
/// Both files are some kilobytes; a spec holds the environment and every mount.
const DUMP_BYTES_MAX: u64 = 4 << 20;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is nothing to use.
    #[error("{}: {why}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What is not there.
        why: String,
    },
    /// It is not, or not yet, a whole checkpoint: take another one.
    #[error("{}: {why}; take the checkpoint again", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is somebody else's.
    #[error("{}: it is the checkpoint of {what} {found}, and {expected} was asked for", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Which property differs.
        what: &'static str,
        /// What the archive says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The disk, or a right to it, fails.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What an archive has to be the checkpoint of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Name of the container in its pod.
    pub container: String,
    /// The runtime's id of the container, without its scheme.
    pub container_id: Option<String>,
    /// UID of the pod.
    pub pod_uid: Option<String>,
}

/// A complete checkpoint archive, held open.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Arc<dyn NodeFile>,
    stamp: Stamp,
    identity: ArchiveIdentity,
}

impl Archive {
    /// Opens an archive and checks that it is whole: every member is there, the end marker is there, it says whose
    /// it is, and CRIU has finished its part. Reads headers only, so the size does not matter.
    pub fn open(node: &dyn Node, path: &Path) -> Result<Self, ArchiveError> {
        let file = node.open(path).map_err(|source| not_opened(path, source))?;
        let stamp = file.stamp().map_err(|source| disk(path, source))?;
        if !stamp.is_file {
            return Err(incomplete(path, "it is not a regular file"));
        }
        let identity = read_identity(path, &*file, stamp.bytes, Depth::Whole)?;
        Ok(Self { path: path.to_owned(), file, stamp, identity })
    }

    /// Whose checkpoint it is.
    pub fn identity(&self) -> &ArchiveIdentity {
        &self.identity
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses the checkpoint of another container.
    pub fn expect(&self, expected: &Expectation) -> Result<(), ArchiveError> {
        let found = &self.identity;
        self.compare("container", Some(&found.container_name), Some(&expected.container))?;
        self.compare("container id", Some(&found.container_id), expected.container_id.as_ref())?;
        self.compare("pod", found.pod_uid.as_ref(), expected.pod_uid.as_ref())
    }

    /// Up to `length_max` bytes from `offset` on, as they were counted when it was opened, even if it grows meanwhile; none at the
    /// end.
    pub(super) async fn read(&self, offset: u64, length_max: usize) -> io::Result<Bytes> {
        let left = self.bytes().saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(length_max);
        if length == 0 { Ok(Bytes::new()) } else { self.file.read(offset, length).await }
    }

    /// Refuses an archive that was written to since it was opened: a checkpoint of the same second takes the same
    /// file name and overwrites it in place.
    pub(super) fn check_unchanged(&self) -> Result<(), ArchiveError> {
        let stamp = self.file.stamp().map_err(|source| disk(&self.path, source))?;
        if stamp != self.stamp {
            return Err(incomplete(&self.path, "it was written to while it was read"));
        }
        Ok(())
    }

    fn compare(
        &self,
        what: &'static str,
        found: Option<&String>,
        expected: Option<&String>,
    ) -> Result<(), ArchiveError> {
        let Some(expected) = expected.filter(|expected| found != Some(expected)) else { return Ok(()) };
        Err(ArchiveError::Mismatch {
            path: self.path.clone(),
            what,
            found: found.cloned().unwrap_or_else(|| "unknown".to_owned()),
            expected: expected.clone(),
        })
    }
}

/// How much of an archive is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Up to the point where it is known whose it is: enough to delete half an archive.
    Identity,
    /// To the end.
    Whole,
}

/// Reads whose checkpoint `file` is.
pub(super) fn read_identity(
    path: &Path,
    file: &dyn NodeFile,
    bytes: u64,
    depth: Depth,
) -> Result<ArchiveIdentity, ArchiveError> {
    let unusable = |error| tar_error(path, error);
    let mut walk = TarWalk::new(file, bytes);
    let (mut config, mut spec, mut inventory) = (None, None, false);
    while let Some(member) = walk.next().map_err(unusable)? {
        let (name, dump) = match member.path.as_slice() {
            name if name == CONFIG_DUMP.as_bytes() => (CONFIG_DUMP, &mut config),
            name if name == SPEC_DUMP.as_bytes() => (SPEC_DUMP, &mut spec),
            name => {
                inventory |= name == INVENTORY.as_bytes();
                continue;
            }
        };
        // A runtime writes one; of two, who reads less of the archive would believe another than who reads all of it.
        if dump.is_some() {
            return Err(incomplete(path, format!("it has two {name}")));
        }
        let data = walk.data(&member, DUMP_BYTES_MAX).map_err(unusable)?;
        *dump = Some(data.ok_or_else(|| incomplete(path, "its config.dump or spec.dump is oversized"))?);
        if depth == Depth::Identity && config.is_some() && spec.is_some() {
            break;
        }
    }
    if depth == Depth::Whole && !inventory {
        return Err(incomplete(path, "it has no checkpoint/inventory.img, which CRIU writes last"));
    }
    let config = config.ok_or_else(|| incomplete(path, "it has no config.dump"))?;
    let spec = spec.ok_or_else(|| incomplete(path, "it has no spec.dump"))?;
    identify(&config, &spec).map_err(|error: IdentityError| incomplete(path, error.to_string()))
}

/// The error of a path that cannot be opened.
pub(super) fn not_opened(path: &Path, source: io::Error) -> ArchiveError {
    if source.kind() == io::ErrorKind::NotFound {
        return ArchiveError::Missing { path: path.to_owned(), why: "no such file on this node".to_owned() };
    }
    disk(path, source)
}

pub(super) fn disk(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Disk { path: path.to_owned(), source }
}

fn incomplete(path: &Path, why: impl Into<String>) -> ArchiveError {
    ArchiveError::Incomplete { path: path.to_owned(), why: why.into() }
}

fn tar_error(path: &Path, error: TarError) -> ArchiveError {
    match error {
        TarError::Read(source) if source.kind() != io::ErrorKind::UnexpectedEof => disk(path, source),
        error => incomplete(path, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{checkpoint_fixture::Checkpoint, node::ThisNode};

    fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint-x_y-z-2026.tar");
        std::fs::write(&path, bytes).expect("written");
        Archive::open(&ThisNode, &path)
    }

    fn why(bytes: &[u8]) -> String {
        match open(bytes).expect_err("an unusable archive") {
            ArchiveError::Incomplete { why, .. } => why,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_whole_archive_says_whose_it_is() {
        let bytes = Checkpoint::of("5f1c").bytes();
        let archive = open(&bytes).expect("a whole archive");
        assert_eq!(archive.identity().container_id, "5f1c");
        assert_eq!(archive.identity().container_name, "counter");
        assert_eq!(archive.bytes(), bytes.len() as u64);
    }

    #[test]
    fn a_cut_is_found_wherever_it_falls() {
        let bytes = Checkpoint::of("5f1c").bytes();
        let end = bytes.iter().rposition(|byte| *byte != 0).expect("data");
        // Padding beyond the two blocks of the end marker may be missing; not one byte of the marker may.
        let needed = (end + 1).next_multiple_of(512) + 1024;
        assert!(open(&bytes[..needed]).is_ok());
        for length in (0..needed).step_by(512).chain([1, 700, end, needed - 1]) {
            let found = why(&bytes[..length]);
            assert!(found.contains("truncated"), "cut at {length}: {found}");
        }
    }

    #[test]
    fn each_part_is_asked_for_by_name() {
        for part in [CONFIG_DUMP, SPEC_DUMP, INVENTORY] {
            let found = why(&Checkpoint::of("5f1c").without(part).bytes());
            assert!(found.contains(part), "{part}: {found}");
        }
    }

    #[test]
    fn two_of_what_says_whose_it_is_are_refused() {
        for part in [CONFIG_DUMP, SPEC_DUMP] {
            let found = why(&Checkpoint::of("5f1c").with_another(part, b"{}").bytes());
            assert!(found.contains(&format!("two {part}")), "{found}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert!(why(&vec![b'x'; 4096]).contains("not a plain tar"));
        let mut overwritten = Checkpoint::of("5f1c").bytes();
        let end = overwritten.len();
        overwritten.extend_from_slice(&Checkpoint::of("another").bytes());
        assert!(end > 0 && why(&overwritten).contains("after the end"));
        let mut bent = Checkpoint::of("5f1c").bytes();
        bent[0] ^= 1;
        assert!(why(&bent).contains("no valid header"));
    }

    #[test]
    fn an_oversized_dump_is_not_read_into_memory() {
        let oversized = Checkpoint::of("5f1c").with(CONFIG_DUMP, &vec![b' '; 5 << 20]);
        assert!(why(&oversized.bytes()).contains("oversized"));
    }

    #[test]
    fn sizes_and_names_come_from_extension_headers_where_these_are() {
        let archive = open(&Checkpoint::of("5f1c").in_pax_format().bytes()).expect("a whole archive");
        assert_eq!(archive.identity().container_id, "5f1c");
    }

    proptest::proptest! {
        /// Whatever a header says, as long as its checksum is right, the answer is an answer.
        #[test]
        fn no_header_makes_it_panic(
            changes in proptest::collection::vec((0_usize..30, 0_usize..512, proptest::num::u8::ANY), 1..8)
        ) {
            let mut bytes = Checkpoint::of("5f1c").in_pax_format().bytes();
            for (block, offset, value) in changes {
                let start = (block * 512).min(bytes.len() - 512);
                bytes[start + offset] = value;
                let mut header = tar::Header::from_byte_slice(&bytes[start..start + 512]).clone();
                header.set_cksum();
                bytes[start..start + 512].copy_from_slice(header.as_bytes());
            }
            if let Ok(archive) = open(&bytes) {
                proptest::prop_assert!(!archive.identity().container_id.is_empty());
            }
        }
    }

    #[test]
    fn the_checkpoint_of_another_container_is_refused() {
        let archive = open(&Checkpoint::of("5f1c").bytes()).expect("a whole archive");
        let same = Expectation {
            container: "counter".to_owned(),
            container_id: Some("5f1c".to_owned()),
            pod_uid: Some("pod-uid".to_owned()),
        };
        archive.expect(&same).expect("the same");
        for other in [
            Expectation { container: "sidecar".to_owned(), ..same.clone() },
            Expectation { container_id: Some("5f1d".to_owned()), ..same.clone() },
            Expectation { pod_uid: Some("another".to_owned()), ..same.clone() },
        ] {
            let error = archive.expect(&other).expect_err("another");
            assert!(matches!(error, ArchiveError::Mismatch { .. }), "{error}");
        }
    }

    #[test]
    fn a_missing_archive_is_told_from_a_broken_one() {
        let error =
            Archive::open(&ThisNode, Path::new("/nonexistent/checkpoint.tar")).expect_err("nothing there");
        assert!(matches!(error, ArchiveError::Missing { .. }), "{error}");
        let error = Archive::open(&ThisNode, Path::new("/proc/self")).expect_err("a folder");
        assert!(matches!(error, ArchiveError::Incomplete { .. }), "{error}");
    }

    #[test]
    fn an_overwritten_archive_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.tar");
        std::fs::write(&path, Checkpoint::of("5f1c").bytes()).expect("written");
        let archive = Archive::open(&ThisNode, &path).expect("whole");
        archive.check_unchanged().expect("unchanged");
        std::fs::write(&path, Checkpoint::of("5f1c").with("dump.log", b"longer by a block").bytes())
            .expect("written");
        assert!(archive.check_unchanged().is_err());
    }
}
