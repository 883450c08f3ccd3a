use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::request::Verb;

/// How many requests are remembered; the oldest go first.
const RECORDS_MAX: usize = 200_000;

/// One request that reached the server, for whoever counts or judges them afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it was answered; for a watch, when it began.
    pub at: Timestamp,
    /// What was asked.
    pub verb: Verb,
    /// API group; empty for the core.
    pub group: String,
    /// Plural name of the resource.
    pub plural: String,
    /// Namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// Name of the object; empty for collections, and for what was to be created and was not.
    pub name: String,
    /// The object's UID, as the answer to a write told it; empty where it told none.
    pub uid: String,
    /// Subresource; for a node proxy with the rest of the path.
    pub subresource: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The field manager of a write.
    pub manager: String,
    /// HTTP status of the answer; 0 when the connection was broken on purpose before anything was done.
    pub code: u16,
    /// Whether the stored state differs after it.
    pub changed: bool,
}

/// The last requests, in the order in which they were answered.
#[derive(Debug, Default)]
pub(super) struct Journal {
    records: VecDeque<RequestRecord>,
    /// How many writes there were, by field manager.
    writes: BTreeMap<String, u32>,
    /// How many requests there were that are no watches, by `User-Agent`.
    requests: BTreeMap<String, u64>,
    /// How many records went.
    forgotten: usize,
}

impl Journal {
    pub(super) fn record(&mut self, record: RequestRecord) {
        tracing::debug!(
            target: "apiserver",
            verb = ?record.verb,
            plural = record.plural,
            namespace = record.namespace,
            name = record.name,
            subresource = record.subresource,
            client = record.user_agent,
            code = record.code,
            changed = record.changed,
            "request"
        );
        if record.verb.is_write() {
            *self.writes.entry(record.manager.clone()).or_default() += 1;
        }
        if record.verb != Verb::Watch {
            *self.requests.entry(record.user_agent.clone()).or_default() += 1;
        }
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
            self.forgotten += 1;
        }
        self.records.push_back(record);
    }

    pub(super) fn writes_of(&self, manager: &str) -> u32 {
        self.writes.get(manager).copied().unwrap_or_default()
    }

    pub(super) fn requests_of(&self, user_agent: &str) -> u64 {
        self.requests.get(user_agent).copied().unwrap_or_default()
    }

    /// What came after the first so many records.
    pub(super) fn since(&self, count: usize) -> impl Iterator<Item = &RequestRecord> {
        self.records.iter().skip(count.saturating_sub(self.forgotten))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RequestRecord> {
        self.records.iter()
    }
}
