use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ms2m_app::contract::MessageId;
use serde::{Deserialize, Serialize};

/// What was published, by producer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Each producer's messages.
    pub producers: BTreeMap<String, ProducerRecord>,
    /// How often a message was sent again because no confirm came.
    pub resent: u64,
}

/// One producer's part of a [`Record`]: sequences and values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerRecord {
    /// Confirmed by the broker: these must be in the state.
    pub confirmed: BTreeMap<u64, i64>,
    /// Sent and never confirmed: these may be in the state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unconfirmed: BTreeMap<u64, i64>,
}

impl Record {
    /// Messages that the broker confirmed.
    pub fn published(&self) -> u64 {
        self.producers.values().map(|producer| producer.confirmed.len() as u64).sum()
    }

    /// Messages of which nobody knows.
    pub fn unconfirmed(&self) -> u64 {
        self.producers.values().map(|producer| producer.unconfirmed.len() as u64).sum()
    }
}

/// A [`Record`] that several producers write.
#[derive(Clone, Debug, Default)]
pub struct SharedRecord(Arc<Mutex<Record>>);

impl From<Record> for SharedRecord {
    /// Goes on where `record` ends.
    fn from(record: Record) -> Self {
        Self(Arc::new(Mutex::new(record)))
    }
}

impl SharedRecord {
    /// A copy, at this instant.
    pub fn snapshot(&self) -> Record {
        self.lock().clone()
    }

    /// Messages confirmed so far.
    pub fn published(&self) -> u64 {
        self.lock().published()
    }

    /// Before a message goes out: from now on it may be in the state.
    pub(super) fn sending(&self, id: &MessageId, value: i64) {
        let mut record = self.lock();
        let producer = record.producers.entry(id.producer.clone()).or_default();
        producer.unconfirmed.insert(id.seq, value);
    }

    /// The broker has it.
    pub(super) fn confirmed(&self, id: &MessageId, value: i64, attempts: u32) {
        let mut record = self.lock();
        record.resent += u64::from(attempts.saturating_sub(1));
        let producer = record.producers.entry(id.producer.clone()).or_default();
        producer.unconfirmed.remove(&id.seq);
        producer.confirmed.insert(id.seq, value);
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unconfirmed_until_confirmed() {
        let shared = SharedRecord::default();
        let id = |seq| MessageId { producer: "p0".to_owned(), seq };
        shared.sending(&id(1), 5);
        shared.confirmed(&id(1), 5, 3);
        shared.sending(&id(2), 6);
        let record = shared.snapshot();
        assert_eq!((record.published(), record.unconfirmed(), record.resent), (1, 1, 2));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"producers":{"p0":{"confirmed":{"1":5},"unconfirmed":{"2":6}}},"resent":2}"#);
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(SharedRecord::from(record.clone()).snapshot(), record);
    }
}
