//! What a registry's refusal means, and what to do about it.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use super::{
    archive::ArchiveError,
    credentials::CredentialsError,
    http::UnreadBody,
    report::{TransferFailure, TransferReason},
};

/// Why a transfer or a clean-up failed. `registry` is the host, never a URL: upload URLs carry session state.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Take another checkpoint, or look at the node.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Mend the push Secret.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Mend the command.
    #[error("{0}")]
    Options(String),
    /// Give the right credentials.
    #[error("{registry} wants other credentials ({why}); put an entry for it into the push Secret")]
    Unauthorized {
        /// Host and port.
        registry: String,
        /// What the registry says.
        why: String,
    },
    /// Give the account the right to push and to delete.
    #[error(
        "{registry} does not allow it ({why}); give the push Secret's account the right to push and delete"
    )]
    Forbidden {
        /// Host and port.
        registry: String,
        /// What the registry says.
        why: String,
    },
    /// Look at the network, and repeat.
    #[error("{registry} cannot be reached: {why}")]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What failed.
        why: String,
    },
    /// Name the certificate authority.
    #[error("{registry}'s certificate is not trusted: {why}; give its authority with --ca-file")]
    Untrusted {
        /// Host and port.
        registry: String,
        /// What is wrong with the certificate.
        why: String,
    },
    /// Repeat it later.
    #[error("{registry} has an error of its own (status {status}): {why}")]
    Unavailable {
        /// Host and port.
        registry: String,
        /// HTTP status.
        status: u16,
        /// What the registry says.
        why: String,
    },
    /// Another repository, or another registry.
    #[error("{registry} refuses it{}: {why}", status.map(|code| format!(" (status {code})")).unwrap_or_default())]
    Rejected {
        /// Host and port.
        registry: String,
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// What the registry says.
        why: String,
    },
    /// Let the registry's own retention remove the image.
    #[error(
        "{registry} does not delete images (status {status}): {why}; allow deletion or delete it by hand"
    )]
    DeletionUnsupported {
        /// Host and port.
        registry: String,
        /// HTTP status.
        status: u16,
        /// What the registry says.
        why: String,
    },
    /// Allow more time, or look at what is slow.
    #[error("not finished within {seconds} s")]
    DeadlineExceeded {
        /// How long it was allowed to take.
        seconds: u64,
    },
    /// Start it again.
    #[error("stopped by a signal before it was finished")]
    Interrupted,
}

impl TransferError {
    /// The stable word and the sentence for the operator.
    pub fn failure(&self) -> TransferFailure {
        TransferFailure::new(self.reason(), self)
    }

    /// The stable word.
    pub fn reason(&self) -> TransferReason {
        match self {
            Self::Archive(ArchiveError::Missing { .. }) => TransferReason::ArchiveMissing,
            Self::Archive(ArchiveError::Incomplete { .. }) => TransferReason::ArchiveIncomplete,
            Self::Archive(ArchiveError::Mismatch { .. }) => TransferReason::ArchiveIdentityMismatch,
            Self::Archive(ArchiveError::Disk { .. }) => TransferReason::DiskRead,
            Self::Credentials(_) => TransferReason::CredentialsInvalid,
            Self::Options(_) => TransferReason::OptionsInvalid,
            Self::Unauthorized { .. } => TransferReason::RegistryUnauthorized,
            Self::Forbidden { .. } => TransferReason::RegistryForbidden,
            Self::Unreachable { .. } => TransferReason::RegistryUnreachable,
            Self::Untrusted { .. } => TransferReason::RegistryUntrusted,
            Self::Unavailable { .. } => TransferReason::RegistryUnavailable,
            Self::Rejected { .. } => TransferReason::RegistryRejected,
            Self::DeletionUnsupported { .. } => TransferReason::DeletionUnsupported,
            Self::DeadlineExceeded { .. } => TransferReason::DeadlineExceeded,
            Self::Interrupted => TransferReason::Interrupted,
        }
    }

    /// Classifies an answer that is not the wanted one.
    pub(super) fn from_status(registry: &str, status: u16, why: impl Into<String>) -> Self {
        let (registry, why) = (registry.to_owned(), why.into());
        match status {
            401 => Self::Unauthorized { registry, why },
            403 => Self::Forbidden { registry, why },
            408 | 429 | 500..=599 => Self::Unavailable { registry, status, why },
            _ => Self::Rejected { registry, status: Some(status), why },
        }
    }

    /// Classifies a failure of the connection.
    pub(super) fn from_http(registry: &str, error: &(dyn Error + 'static)) -> Self {
        let registry = registry.to_owned();
        if let Some(UnreadBody(source)) = causes(error).find_map(|cause| cause.downcast_ref()) {
            let source = std::io::Error::new(source.kind(), source.to_string());
            return Self::Archive(ArchiveError::Disk { path: PathBuf::new(), source });
        }
        let why = chain_of(error);
        let untrusted = causes(error)
            .any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
        if untrusted { Self::Untrusted { registry, why } } else { Self::Unreachable { registry, why } }
    }

    /// The same, where it is the disk that failed: of this archive.
    pub(super) fn of_disk(self, archive: &Path) -> Self {
        match self {
            Self::Archive(ArchiveError::Disk { source, .. }) => {
                Self::Archive(ArchiveError::Disk { path: archive.to_owned(), source })
            }
            other => other,
        }
    }
}

/// Every cause of an error. An `io::Error` hides the one that it wraps from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}

/// The causes as one line, each once.
fn chain_of(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in causes(error).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    line
}
