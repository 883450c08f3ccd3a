use serde::{Deserialize, Serialize};
/// What the transfer Job says when it has pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferReport {
    /// Digest of the image's manifest.
    pub digest: String,
    /// Size of the archive.
    pub bytes: u64,
}
impl TransferReport {
    /// Reads a termination message.
    pub fn parse(message: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(message)
    }
}
