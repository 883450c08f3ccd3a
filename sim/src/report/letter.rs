use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// A message of the protocol: a command, a reply or a marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// When the broker took it, since the run began.
    pub at_ms: u64,
    /// Who sent it.
    pub from: String,
    /// Whom it is for: a process, or a queue.
    pub to: String,
    /// UID of its migration.
    pub migration: String,
    /// What it says in one word, such as `STOP`.
    pub word: String,
    /// The whole of it.
    pub text: String,
}

impl Letter {
    /// A message that is addressed to a queue.
    pub fn new(at: Duration, from: String, queue: &str, body: &[u8]) -> Self {
        let says = serde_json::from_slice::<Value>(body).ok();
        let field = |name: &str| says.as_ref().and_then(|says| says[name].as_str().map(str::to_owned));
        Self {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            from,
            to: queue.to_owned(),
            migration: field("migration").unwrap_or_default(),
            word: field("type").unwrap_or_else(|| "?".to_owned()),
            text: String::from_utf8_lossy(body).into_owned(),
        }
    }
}
