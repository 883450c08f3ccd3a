//! What `ms2m transfer` tells the operator, by way of its pod's termination message.
//!
//! One JSON object: `{"pushed":{…}}`, `{"cleaned":{…}}` or `{"error":{"reason":…,"message":…}}`. Reasons are stable
//! words. Knows nothing of registries, so that the operator's pure code can read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Bytes of a termination message that a kubelet passes on.
pub const TERMINATION_MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of an error's message that are kept: a registry may answer with a page of HTML.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Exit code of a failure that repeating will not mend.
pub const EXIT_PERMANENT: u8 = 1;
/// Exit code of a failure that may not happen again (`EX_TEMPFAIL`).
pub const EXIT_TEMPORARY: u8 = 75;

/// Outcome of one `ms2m transfer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferReport {
    /// The archive is in the registry.
    Pushed(Pushed),
    /// What was asked to be deleted is gone.
    Cleaned(Cleaned),
    /// It failed.
    Error(TransferFailure),
}

/// A checkpoint image that a registry serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Reference by digest, `REPOSITORY@sha256:…`: what the shadow pod's container is started from.
    pub image: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Size of the archive, which is the only layer.
    pub bytes: u64,
    /// How often the layer's upload was started; more than one means that the registry or the network failed.
    pub attempts: u32,
    /// What the archive says about itself.
    pub archive: ArchiveIdentity,
    /// From start to the registry's confirmation, in milliseconds.
    pub duration_ms: u64,
}

/// What a clean-up removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaned {
    /// What became of the image; `None` when none was to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageDeletion>,
    /// Blobs of that image that the registry removed at once; it reclaims the others at its own time.
    #[serde(default)]
    pub blobs_deleted: u32,
    /// Archives of the container that were removed from the node.
    #[serde(default)]
    pub archives_deleted: u32,
    /// Files in the folder that do not say whose they are, and were left alone.
    #[serde(default)]
    pub archives_unidentified: u32,
    /// In milliseconds.
    pub duration_ms: u64,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageDeletion {
    /// It was there, and is gone.
    Deleted,
    /// It was not there.
    AlreadyGone,
}

/// Whose checkpoint an archive is, from `config.dump` and `spec.dump` inside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveIdentity {
    /// The runtime's id of the container, without `containerd://`.
    pub container_id: String,
    /// Name of the container in its pod.
    pub container_name: String,
    /// UID of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// The image that the container was started from, by digest where the runtime knows it. A restore pulls it
    /// again.
    pub base_image: String,
    /// When the checkpoint was taken, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpointed_at: Option<Timestamp>,
}

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFailure {
    /// A stable word.
    pub reason: TransferReason,
    /// A sentence that says what is wrong, and what to do.
    pub message: String,
}

/// Stable words for what can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferReason {
    /// The registry wants credentials, or others.
    RegistryUnauthorized,
    /// The credentials are good, but may not do this.
    RegistryForbidden,
    /// No connection to the registry, or it broke.
    RegistryUnreachable,
    /// Nobody vouches for the registry's certificate.
    RegistryUntrusted,
    /// The registry answers, but with an error of its own.
    RegistryUnavailable,
    /// The registry refuses what is sent.
    RegistryRejected,
    /// The registry does not delete images.
    DeletionUnsupported,
    /// The file with the registry's credentials cannot be used.
    CredentialsInvalid,
    /// There is no such archive.
    ArchiveMissing,
    /// The archive is truncated, still being written, or no checkpoint.
    ArchiveIncomplete,
    /// The archive is of another container or pod.
    ArchiveIdentityMismatch,
    /// The node's disk does not give or take the bytes.
    DiskRead,
    /// The command line makes no sense.
    OptionsInvalid,
    /// It took longer than it was allowed to.
    DeadlineExceeded,
    /// It was told to stop.
    Interrupted,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

impl TransferReason {
    /// The word, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistryUnauthorized => "RegistryUnauthorized",
            Self::RegistryForbidden => "RegistryForbidden",
            Self::RegistryUnreachable => "RegistryUnreachable",
            Self::RegistryUntrusted => "RegistryUntrusted",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::RegistryRejected => "RegistryRejected",
            Self::DeletionUnsupported => "DeletionUnsupported",
            Self::CredentialsInvalid => "CredentialsInvalid",
            Self::ArchiveMissing => "ArchiveMissing",
            Self::ArchiveIncomplete => "ArchiveIncomplete",
            Self::ArchiveIdentityMismatch => "ArchiveIdentityMismatch",
            Self::DiskRead => "DiskRead",
            Self::OptionsInvalid => "OptionsInvalid",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Interrupted => "Interrupted",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether the same command may succeed when it is repeated.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::RegistryUnreachable
                | Self::RegistryUnavailable
                | Self::DeadlineExceeded
                | Self::Interrupted
                | Self::Unknown
        )
    }
}

impl std::fmt::Display for TransferReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TransferFailure {
    /// A failure; the message is made one line and shortened to [`MESSAGE_BYTES_MAX`].
    pub fn new(reason: TransferReason, message: impl std::fmt::Display) -> Self {
        let mut line = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.len() > MESSAGE_BYTES_MAX {
            line.truncate(line.floor_char_boundary(MESSAGE_BYTES_MAX));
            line.push('…');
        }
        Self { reason, message: line }
    }
}

impl TransferReport {
    /// One line of JSON.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a report has string keys only")
    }

    /// Reads a pod's termination message. Its last line counts: a kubelet may put the log there.
    pub fn from_termination_message(message: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(message.trim().lines().last().unwrap_or_default())
    }

    /// The process's exit code for this outcome.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Pushed(_) | Self::Cleaned(_) => 0,
            Self::Error(failure) if failure.reason.is_temporary() => EXIT_TEMPORARY,
            Self::Error(_) => EXIT_PERMANENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: TransferReason, message: &str) -> TransferReport {
        TransferReport::Error(TransferFailure::new(reason, message))
    }

    #[test]
    fn is_written_as_the_operator_reads_it() {
        let report = TransferReport::Pushed(Pushed {
            image: "registry.example.com/checkpoints@sha256:ab".to_owned(),
            digest: "sha256:ab".to_owned(),
            bytes: 8_600_000,
            attempts: 1,
            archive: ArchiveIdentity {
                container_id: "5f".to_owned(),
                container_name: "counter".to_owned(),
                pod_uid: Some("uid".to_owned()),
                base_image: "registry.example.com/counter@sha256:cd".to_owned(),
                checkpointed_at: Some("2026-11-23T18:00:00.25Z".parse().expect("a time stamp")),
            },
            duration_ms: 150,
        });
        insta::assert_snapshot!(report.to_line(), @r#"{"pushed":{"image":"registry.example.com/checkpoints@sha256:ab","digest":"sha256:ab","bytes":8600000,"attempts":1,"archive":{"container_id":"5f","container_name":"counter","pod_uid":"uid","base_image":"registry.example.com/counter@sha256:cd","checkpointed_at":"2026-11-23T18:00:00.25Z"},"duration_ms":150}}"#);
        let message = format!("a line of the log\n{}\n", report.to_line());
        assert_eq!(TransferReport::from_termination_message(&message).expect("readable"), report);
    }

    #[test]
    fn an_error_is_a_stable_word_and_a_sentence() {
        let report = failed(TransferReason::RegistryUnauthorized, "the registry wants\n  credentials");
        insta::assert_snapshot!(report.to_line(), @r#"{"error":{"reason":"RegistryUnauthorized","message":"the registry wants credentials"}}"#);
    }

    #[test]
    fn a_reason_of_a_later_version_is_still_an_error() {
        let line = r#"{"error":{"reason":"RegistryOnFire","message":"call somebody"}}"#;
        let report = TransferReport::from_termination_message(line).expect("readable");
        assert_eq!(report, failed(TransferReason::Unknown, "call somebody"));
    }

    #[test]
    fn the_word_in_json_is_the_word_in_code() {
        for reason in
            [TransferReason::DiskRead, TransferReason::RegistryUntrusted, TransferReason::Interrupted]
        {
            assert_eq!(serde_json::to_value(reason).expect("a string"), reason.as_str());
        }
    }

    #[test]
    fn a_page_of_html_does_not_push_the_reason_out_of_the_termination_message() {
        let report = failed(TransferReason::RegistryRejected, &"é\"<p>\n".repeat(10_000));
        assert!(report.to_line().len() < TERMINATION_MESSAGE_BYTES_MAX, "{} bytes", report.to_line().len());
    }

    #[test]
    fn exit_codes_tell_what_may_be_repeated() {
        assert_eq!(failed(TransferReason::RegistryUnreachable, "").exit_code(), EXIT_TEMPORARY);
        assert_eq!(failed(TransferReason::ArchiveIdentityMismatch, "").exit_code(), EXIT_PERMANENT);
        assert_eq!(TransferReport::Cleaned(Cleaned::default()).exit_code(), 0);
    }
}
