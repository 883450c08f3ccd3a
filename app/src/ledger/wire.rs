//! A ledger as it is written, and what no ledger can say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Ledger, Track};
use crate::contract::SEQ_MAX;

/// What was written, believed only when it is possible.
#[derive(Deserialize)]
pub(super) struct WrittenLedger {
    producers: BTreeMap<String, WrittenTrack>,
}

#[derive(Deserialize)]
struct WrittenTrack {
    first: u64,
    through: u64,
    #[serde(default)]
    above: BTreeSet<u64>,
}

/// Why no process can have a ledger like this: whoever wrote it does not keep to docs/app-contract.md, section 2.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ImpossibleLedger {
    /// Nothing is contained between the two, yet the first was applied.
    #[error(
        "impossible ledger: producer {producer:?} begins at {first}, and all is contained through {through}"
    )]
    Backwards { producer: String, first: u64, through: u64 },
    /// What is in the run, or would have lengthened it.
    #[error(
        "impossible ledger: producer {producer:?} has {seq} above, and all is contained through {through}"
    )]
    NotAbove { producer: String, seq: u64, through: u64 },
    /// A sequence is a signed 64-bit number on the wire.
    #[error(
        "impossible ledger: producer {producer:?} has sequence {seq}, and {SEQ_MAX} is the largest there is"
    )]
    Beyond { producer: String, seq: u64 },
}

impl TryFrom<WrittenLedger> for Ledger {
    type Error = ImpossibleLedger;

    fn try_from(written: WrittenLedger) -> Result<Self, ImpossibleLedger> {
        let read = |(producer, track): (String, WrittenTrack)| {
            let track = track.check(&producer)?;
            Ok((producer, track))
        };
        Ok(Self { producers: written.producers.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl Ledger {
    /// Bytes of the wire form: whoever records a ledger has only so much room for it.
    pub fn wire_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |written| written.len())
    }
}

impl WrittenTrack {
    fn check(self, producer: &str) -> Result<Track, ImpossibleLedger> {
        let Self { first, through, above } = self;
        let producer = || producer.to_owned();
        if first > through {
            return Err(ImpossibleLedger::Backwards { producer: producer(), first, through });
        }
        let largest = above.last().copied().unwrap_or(through).max(through);
        if largest > SEQ_MAX {
            return Err(ImpossibleLedger::Beyond { producer: producer(), seq: largest });
        }
        match above.first() {
            Some(&seq) if seq <= through + 1 => {
                Err(ImpossibleLedger::NotAbove { producer: producer(), seq, through })
            }
            _ => Ok(Track { first, through, above }),
        }
    }
}
