use serde::{Deserialize, Serialize};

/// Header with the producer's identity (long string), unique per incarnation or with a durable sequence.
pub const HEADER_PRODUCER: &str = "x-ms2m-producer";
/// Header with the producer's sequence number (signed 64-bit, first message 1, never skipped).
pub const HEADER_SEQ: &str = "x-ms2m-seq";
/// The largest sequence number: what AMQP's signed 64-bit integer (`l` in a field table) holds.
pub const SEQ_MAX: u64 = i64::MAX as u64;
/// Header that marks a message in `Q` or `R` as a [`Marker`](super::Marker), not as one for the service.
pub const HEADER_CONTROL: &str = "x-ms2m-control";

/// The identity that every message carries, and that the ledger records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageId {
    /// Who published it: [`HEADER_PRODUCER`].
    pub producer: String,
    /// Its place in that producer's order: [`HEADER_SEQ`], at most [`SEQ_MAX`].
    pub seq: u64,
}
