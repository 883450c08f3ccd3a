//! Finds a container's checkpoints in a folder by what is inside the files.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    archive::{Archive, ArchiveError, Depth, disk, not_opened, read_identity},
    node::Node,
    report::ArchiveIdentity,
};

/// Files of a folder, by what they say about themselves.
#[derive(Debug, Default)]
pub struct ArchiveListing {
    /// Archives of the container, also incomplete ones, oldest first.
    pub archives: Vec<(PathBuf, ArchiveIdentity)>,
    /// Files that do not say whose they are.
    pub unidentified: Vec<PathBuf>,
}

/// What [`delete_archives`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedArchives {
    /// Archives that are gone now.
    pub deleted: u32,
    /// Files that do not say whose they are, and were left alone.
    pub unidentified: u32,
}

/// The checkpoints of a container in `folder`; of none when the folder does not exist, because kubelets create it at
/// the first checkpoint.
pub fn list_archives(
    node: &dyn Node,
    folder: &Path,
    container_id: &str,
) -> Result<ArchiveListing, ArchiveError> {
    let files = match node.files_in(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ArchiveListing::default()),
        Err(source) => return Err(disk(folder, source)),
    };
    let mut listing = ArchiveListing::default();
    for path in files {
        match identity_of(node, &path) {
            Ok(identity) if identity.container_id == container_id => listing.archives.push((path, identity)),
            Ok(_) | Err(ArchiveError::Missing { .. }) => {}
            Err(ArchiveError::Disk { path, source }) => return Err(ArchiveError::Disk { path, source }),
            Err(_) => listing.unidentified.push(path),
        }
    }
    listing.archives.sort_by(|(path_a, a), (path_b, b)| {
        (a.checkpointed_at, path_a.as_path()).cmp(&(b.checkpointed_at, path_b.as_path()))
    });
    listing.unidentified.sort();
    Ok(listing)
}

/// The newest complete checkpoint of a container, for a redo when nobody remembers the path.
pub fn newest_archive(node: &dyn Node, folder: &Path, container_id: &str) -> Result<Archive, ArchiveError> {
    let listing = list_archives(node, folder, container_id)?;
    let why = format!("no checkpoint of container {container_id} on this node");
    let mut failure = ArchiveError::Missing { path: folder.to_owned(), why };
    for (path, _) in listing.archives.iter().rev() {
        match Archive::open(node, path) {
            Ok(archive) => return Ok(archive),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Deletes every checkpoint of a container, also incomplete ones. Repeating it changes nothing.
pub fn delete_archives(
    node: &dyn Node,
    folder: &Path,
    container_id: &str,
) -> Result<DeletedArchives, ArchiveError> {
    let listing = list_archives(node, folder, container_id)?;
    let mut deleted = 0;
    for (path, _) in &listing.archives {
        match node.remove(path) {
            Ok(()) => deleted += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(disk(path, source)),
        }
    }
    let unidentified = u32::try_from(listing.unidentified.len()).unwrap_or(u32::MAX);
    Ok(DeletedArchives { deleted, unidentified })
}

fn identity_of(node: &dyn Node, path: &Path) -> Result<ArchiveIdentity, ArchiveError> {
    let file = node.open(path).map_err(|source| not_opened(path, source))?;
    let bytes = file.stamp().map_err(|source| disk(path, source))?.bytes;
    read_identity(path, &*file, bytes, Depth::Identity)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::registry::{checkpoint_fixture::Checkpoint, node::ThisNode};

    fn folder_with(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        folder
    }

    fn left_in(folder: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn deletes_by_what_is_inside_and_not_by_name() {
        let whole = Checkpoint::of("mine").bytes();
        let folder = folder_with(&[
            ("checkpoint-other_ns-counter-2026-11-23T18:00:00Z.tar", whole.clone()),
            ("no-name-at-all", Checkpoint::of("mine").at("2026-11-23T18:00:09Z").bytes()),
            // The archive's last member is missing, but it says whose it is.
            ("half.tar", whole[..whole.len() - 2048].to_vec()),
            ("mine.tar", Checkpoint::of("another").bytes()),
            ("notes.txt", b"not an archive".to_vec()),
        ]);
        let deleted = delete_archives(&ThisNode, folder.path(), "mine").expect("deleted");
        assert_eq!(deleted, DeletedArchives { deleted: 3, unidentified: 1 });
        assert_eq!(left_in(&folder), ["mine.tar", "notes.txt"]);
        let again = delete_archives(&ThisNode, folder.path(), "mine").expect("deleted again");
        assert_eq!(again, DeletedArchives { deleted: 0, unidentified: 1 });
    }

    #[test]
    fn a_folder_that_was_never_made_is_clean() {
        let folder = tempfile::tempdir().expect("a folder");
        let deleted = delete_archives(&ThisNode, &folder.path().join("checkpoints"), "mine").expect("clean");
        assert_eq!(deleted, DeletedArchives { deleted: 0, unidentified: 0 });
    }

    #[test]
    fn the_newest_whole_archive_is_found() {
        let newest = Checkpoint::of("mine").at("2026-11-23T18:00:03Z").bytes();
        let folder = folder_with(&[
            ("c.tar", Checkpoint::of("mine").at("2026-11-23T18:00:01Z").bytes()),
            ("a.tar", Checkpoint::of("mine").at("2026-11-23T18:00:02Z").bytes()),
            ("b.tar", newest[..newest.len() - 2048].to_vec()),
            ("d.tar", Checkpoint::of("another").at("2026-11-23T18:00:04Z").bytes()),
        ]);
        let archive = newest_archive(&ThisNode, folder.path(), "mine").expect("an archive");
        assert_eq!(archive.path(), folder.path().join("a.tar"));
        let error = newest_archive(&ThisNode, folder.path(), "nobody").expect_err("none");
        assert!(matches!(error, ArchiveError::Missing { .. }), "{error}");
    }

    #[test]
    fn links_are_left_alone() {
        let elsewhere = folder_with(&[("a.tar", Checkpoint::of("mine").bytes())]);
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(elsewhere.path().join("a.tar"), folder.path().join("a.tar"))
            .expect("a link");
        assert_eq!(delete_archives(&ThisNode, folder.path(), "mine").expect("nothing to do").deleted, 0);
        assert_eq!(left_in(&elsewhere), ["a.tar"]);
    }
}
