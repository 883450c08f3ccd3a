//! Walks the headers of a tar file without reading what its members hold.
//!
//! A checkpoint may be many gigabytes, is written by a container runtime that may be killed half-way, and its
//! content is not ours. So every size is checked against the file's length before it is believed, every metadata
//! record has a limit, and an archive without its end marker is truncated, even when the cut falls between two
//! members.

use std::io;

use tar::{EntryType, Header, PaxExtensions};

use super::node::NodeFile;

const BLOCK_LENGTH: usize = 512;
const BLOCK: u64 = BLOCK_LENGTH as u64;
/// A runtime writes some tens of members; the root file system's difference is one of them.
const MEMBERS_MAX: u32 = 100_000;
/// Extended attributes and long paths of one member.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// Writers pad the end to their record size, 10 KiB by tradition.
const PADDING_BYTES_MAX: u64 = 1 << 20;

/// Why a tar file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TarError {
    /// The disk does not give the bytes.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The end is missing.
    #[error("it is truncated: {needed} bytes are announced, {bytes} are there")]
    Truncated {
        /// Bytes that the headers so far announce.
        needed: u64,
        /// Bytes that the file has.
        bytes: u64,
    },
    /// These are not the bytes of a tar file.
    #[error("it is not a plain tar file: {what} at byte {at}")]
    Malformed {
        /// What was found.
        what: &'static str,
        /// Where.
        at: u64,
    },
}

/// One member: its name and where its data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Path inside the archive, as the writer gave it, without a leading `./`.
    pub(super) path: Vec<u8>,
    /// Bytes of data.
    pub(super) bytes: u64,
    data_at: u64,
}

/// A position in a tar file.
pub(super) struct TarWalk<'a> {
    file: &'a dyn NodeFile,
    bytes: u64,
    at: u64,
    members: u32,
}

/// What extension headers say about the member that follows them.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    bytes: Option<u64>,
}

impl<'a> TarWalk<'a> {
    /// Starts at the beginning of `file`, which is `bytes` long.
    pub(super) fn new(file: &'a dyn NodeFile, bytes: u64) -> Self {
        Self { file, bytes, at: 0, members: 0 }
    }

    /// The next member, or `None` after a proper end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Member>, TarError> {
        let mut extension = Extension::default();
        loop {
            let at = self.at;
            let block = self.block(at)?;
            if block.iter().all(|byte| *byte == 0) {
                self.check_end(at)?;
                return Ok(None);
            }
            let header = checked_header(&block, at)?;
            let bytes =
                header.entry_size().map_err(|_| TarError::Malformed { what: "an unreadable size", at })?;
            self.members += 1;
            if self.members > MEMBERS_MAX {
                return Err(TarError::Malformed { what: "too many members", at });
            }
            let data_at = at + BLOCK;
            match header.entry_type() {
                EntryType::XHeader => extension.read_pax(&self.extension_data(data_at, bytes)?, at)?,
                EntryType::GNULongName => {
                    let mut name = self.extension_data(data_at, bytes)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    extension.path = Some(name);
                }
                EntryType::XGlobalHeader | EntryType::GNULongLink => {}
                EntryType::GNUSparse => return Err(TarError::Malformed { what: "a sparse member", at }),
                kind => {
                    let bytes = if has_data(kind) { extension.bytes.unwrap_or(bytes) } else { 0 };
                    self.at = self.after(data_at, bytes)?;
                    let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
                    let path = path.strip_prefix(b"./").map_or(path.clone(), <[u8]>::to_vec);
                    return Ok(Some(Member { path, bytes, data_at }));
                }
            }
            self.at = self.after(data_at, bytes)?;
        }
    }

    /// The data of `member`; `None` when it is larger than `bytes_max`.
    pub(super) fn data(&self, member: &Member, bytes_max: u64) -> Result<Option<Vec<u8>>, TarError> {
        if member.bytes > bytes_max {
            return Ok(None);
        }
        Ok(Some(self.read(member.data_at, member.bytes)?))
    }

    fn extension_data(&self, at: u64, bytes: u64) -> Result<Vec<u8>, TarError> {
        if bytes > EXTENSION_BYTES_MAX {
            return Err(TarError::Malformed { what: "an oversized extension header", at });
        }
        self.after(at, bytes)?;
        self.read(at, bytes)
    }

    fn read(&self, at: u64, bytes: u64) -> Result<Vec<u8>, TarError> {
        let length =
            usize::try_from(bytes).map_err(|_| TarError::Malformed { what: "a size beyond memory", at })?;
        let mut data = vec![0; length];
        self.file.read_exact_at(&mut data, at)?;
        Ok(data)
    }

    fn block(&self, at: u64) -> Result<[u8; BLOCK_LENGTH], TarError> {
        if at + BLOCK > self.bytes {
            return Err(TarError::Truncated { needed: at + 2 * BLOCK, bytes: self.bytes });
        }
        let mut block = [0; BLOCK_LENGTH];
        self.file.read_exact_at(&mut block, at)?;
        Ok(block)
    }

    /// Where the member after data of that size starts.
    fn after(&self, data_at: u64, bytes: u64) -> Result<u64, TarError> {
        let next = bytes
            .checked_next_multiple_of(BLOCK)
            .and_then(|padded| data_at.checked_add(padded))
            .filter(|next| *next <= u64::MAX - 2 * BLOCK)
            .ok_or(TarError::Malformed { what: "an impossible size", at: data_at })?;
        if next > self.bytes {
            return Err(TarError::Truncated { needed: next + 2 * BLOCK, bytes: self.bytes });
        }
        Ok(next)
    }

    /// The end is two zero blocks and padding. Anything else behind the first means that a longer file of the same
    /// name was overwritten in place: checkpoints' names have a resolution of one second.
    fn check_end(&self, at: u64) -> Result<(), TarError> {
        self.block(at + BLOCK)?;
        let tail_bytes = self.bytes - at;
        if tail_bytes > PADDING_BYTES_MAX {
            return Err(TarError::Malformed { what: "more bytes after the end of the archive", at });
        }
        if self.read(at, tail_bytes)?.iter().any(|byte| *byte != 0) {
            return Err(TarError::Malformed { what: "other data after the end of the archive", at });
        }
        Ok(())
    }
}

impl Extension {
    fn read_pax(&mut self, records: &[u8], at: u64) -> Result<(), TarError> {
        for record in PaxExtensions::new(records) {
            let record =
                record.map_err(|_| TarError::Malformed { what: "an unreadable extension header", at })?;
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                // Written where the header's own field is too short: a page image of 8 GiB or more.
                b"size" => {
                    let size = record.value().ok().and_then(|value| value.parse().ok());
                    self.bytes = Some(size.ok_or(TarError::Malformed { what: "an unreadable size", at })?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn checked_header(block: &[u8; BLOCK_LENGTH], at: u64) -> Result<&Header, TarError> {
    let header = Header::from_byte_slice(block);
    // The checksum counts its own field as eight blanks.
    let sum: u32 =
        block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    match header.cksum() {
        Ok(stored) if stored == sum => Ok(header),
        _ => Err(TarError::Malformed { what: "no valid header", at }),
    }
}

fn has_data(kind: EntryType) -> bool {
    !matches!(
        kind,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo
    )
}
