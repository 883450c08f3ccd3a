//! A file where a checkpoint is expected: it is a whole one of a container that it names, or it is refused with what is wrong.
//! That its size does not matter is what scripts/fuzz.sh limits the memory for.
#![no_main]

use std::{cell::RefCell, fs, path::PathBuf};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use ms2m::registry::{
    archive::{Archive, ArchiveError},
    archive_folder::list_archives,
    node::ThisNode,
};
use tempfile::TempDir;

const BLOCK: usize = 512;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a folder"));
}

fuzz_target!(|data: &[u8]| FOLDER.with_borrow(|folder| {
    let path: PathBuf = folder.path().join("checkpoint.tar");
    fs::write(&path, data).expect("written");
    match Archive::open(&ThisNode, &path) {
        Ok(archive) => {
            let identity = archive.identity();
            assert_eq!(archive.bytes(), data.len() as u64);
            assert!(!identity.container_id.is_empty() && !identity.container_name.is_empty());
            // Whoever deletes it reads less of it, and must not take it for another's.
            let listing = list_archives(&ThisNode, folder.path(), &identity.container_id).expect("a folder");
            assert_eq!(listing.archives, [(path, identity.clone())]);
        }
        Err(ArchiveError::Incomplete { why, .. }) => assert!(!why.is_empty()),
        Err(other) => panic!("{other:?}"),
    }
}));

// A changed header has a wrong checksum, and nothing behind it would ever be reached.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    repair_checksums(&mut data[..size]);
    size
});

fn repair_checksums(archive: &mut [u8]) {
    let mut at = 0_usize;
    while let Some(block) = archive.get_mut(at..at.saturating_add(BLOCK)) {
        if block.iter().all(|byte| *byte == 0) {
            return;
        }
        let mut header = tar::Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.entry_size().ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        at = at.saturating_add(BLOCK).saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
}
