use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    error::ApiError,
    execute::{find_resource, selector_of},
    journal::RequestRecord,
    request::Request,
    resource::Resource,
    selector::Selector,
    server::{ApiServer, OpenWatch, State},
};

/// How long a watch lasts when the client does not say.
const TIMEOUT_DEFAULT: Duration = Duration::from_mins(30);
/// How long before its end a watch gets a last bookmark.
const LAST_BOOKMARK_LEAD: Duration = Duration::from_secs(2);

/// One open watch: a cursor into the history of changes.
pub(super) struct Watch {
    server: ApiServer,
    id: u64,
    request: RequestRecord,
    resource: Arc<Resource>,
    selector: Selector,
    metadata_only: bool,
    /// All changes up to this version have been sent.
    cursor: u64,
    ready: VecDeque<Bytes>,
    ends_at: Instant,
    bookmark_at: Option<Instant>,
    is_over: bool,
}

impl ApiServer {
    /// Opens a watch.
    pub(super) fn open_watch(
        &self,
        request: &Request,
        record: RequestRecord,
        metadata_only: bool,
    ) -> Result<Watch, ApiError> {
        let mut state = self.lock();
        let resource = find_resource(&state.store, &request.target)?;
        let selector = selector_of(&resource, request)?;
        let timeout = request.query.number("timeoutSeconds")?.map_or(TIMEOUT_DEFAULT, Duration::from_secs);
        let from = request.query.number("resourceVersion")?.unwrap_or_default();
        let wants_initial = request.query.flag("sendInitialEvents");
        let ends_at = Instant::now() + timeout;
        let interval = self.shared.settings.bookmark_interval;
        let wants_bookmarks = request.query.flag("allowWatchBookmarks");
        state.watches_opened += 1;
        let id = state.watches_opened;
        let is_at_replica = state.replica.is_behind();
        let horizon = state.horizon_of(is_at_replica);
        state
            .watches
            .insert(id, OpenWatch { request: record.clone(), is_closed: false, is_at_replica, rewinds: 0 });
        if from > horizon {
            *state.blind.entry(record.user_agent.clone()).or_default() += 1;
        }
        let mut watch = Watch {
            server: self.clone(),
            id,
            request: record,
            resource,
            selector,
            metadata_only,
            cursor: from,
            ready: VecDeque::new(),
            ends_at,
            bookmark_at: wants_bookmarks.then(|| next_bookmark(ends_at, interval)),
            is_over: false,
        };
        if from == 0 || wants_initial {
            watch.send_state_at(&state, horizon, wants_initial);
        }
        Ok(watch)
    }
}

impl Watch {
    /// The next line of the stream; none when the watch is over.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let server = self.server.clone();
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            // Registered before the state is looked at, so that no change falls between the two.
            let changed = server.shared.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            self.collect();
            if !self.ready.is_empty() || self.is_over {
                continue;
            }
            let wake_at = self.bookmark_at.map_or(self.ends_at, |at| at.min(self.ends_at));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(wake_at) => self.on_time(),
            }
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if now >= self.ends_at {
            self.is_over = true;
        } else if self.bookmark_at.is_some_and(|at| now >= at) {
            self.bookmark_at =
                Some(next_bookmark(self.ends_at, self.server.shared.settings.bookmark_interval));
            let state = self.server.lock();
            let is_at_replica = state.watches.get(&self.id).is_some_and(|watch| watch.is_at_replica);
            // A server that has not got so far cannot say that it has.
            let has_reached = state.horizon_of(is_at_replica) >= self.cursor;
            if has_reached && !is_stalled(&state, &self.request) {
                drop(state);
                self.send_bookmark(json!({}));
            }
        }
    }

    fn send_state_at(&mut self, state: &State, version: u64, ends_with_bookmark: bool) {
        let resource = self.resource.clone();
        for object in state.store.entries_at(&resource, &self.request.namespace, version).values() {
            if self.selector.matches(object) {
                self.send("ADDED", object);
            }
        }
        self.cursor = version;
        if ends_with_bookmark {
            self.send_bookmark(json!({ "k8s.io/initial-events-end": "true" }));
        }
    }

    /// Takes everything over that happened since the last time.
    fn collect(&mut self) {
        let server = self.server.clone();
        let mut state = server.lock();
        let Some(watch) = state.watches.get(&self.id).filter(|watch| !watch.is_closed) else {
            self.is_over = true;
            return;
        };
        let (horizon, rewinds) = (state.horizon_of(watch.is_at_replica), watch.rewinds);
        if is_stalled(&state, &self.request) {
            let has_news = self.news(&state, self.cursor, horizon).next().is_some();
            state.encounters.held_back += u64::from(has_news);
            return;
        }
        if self.cursor < state.store.compacted() {
            let error = ApiError::expired(format!(
                "too old resource version: {} ({})",
                self.cursor,
                state.store.compacted()
            ));
            self.push("ERROR", &error.to_status());
            *state.expired.entry(self.request.user_agent.clone()).or_default() += 1;
            state.encounters.gone += 1;
            self.is_over = true;
            return;
        }
        if let Some(watch) = state.watches.get_mut(&self.id) {
            watch.rewinds = 0;
        }
        // What is compacted cannot be told again.
        let from = self.cursor.saturating_sub(rewinds).max(state.store.compacted());
        let news: Vec<_> = self.news(&state, from, horizon).collect();
        for (kind, object) in news {
            self.send(kind, &object);
        }
        // A version that this server has not reached yet stays where it is.
        self.cursor = self.cursor.max(horizon);
    }

    /// What it has to tell of the changes after a version, up to another.
    fn news(
        &self,
        state: &State,
        after: u64,
        through: u64,
    ) -> impl Iterator<Item = (&'static str, Arc<Value>)> {
        let changes = state.store.changes_after(after).take_while(move |change| change.version <= through);
        changes.filter_map(|change| {
            let is_same_kind =
                change.key.group == self.resource.group && change.key.plural == self.resource.plural;
            let is_in_namespace =
                self.request.namespace.is_empty() || change.key.namespace == self.request.namespace;
            if is_same_kind && is_in_namespace { change.event(&self.selector) } else { None }
        })
    }

    fn send(&mut self, kind: &str, object: &Value) {
        if self.metadata_only {
            self.push(kind, &metadata_only(object));
        } else {
            self.push(kind, object);
        }
    }

    fn send_bookmark(&mut self, annotations: Value) {
        let mut metadata = json!({ "resourceVersion": self.cursor.to_string() });
        if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
            metadata["annotations"] = annotations;
        }
        let bookmark = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": metadata,
        });
        self.push("BOOKMARK", &bookmark);
    }

    fn push(&mut self, kind: &str, object: &Value) {
        let mut line = json!({ "type": kind, "object": object }).to_string();
        line.push('\n');
        self.ready.push_back(Bytes::from(line));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.server.lock().watches.remove(&self.id);
    }
}

fn is_stalled(state: &State, request: &RequestRecord) -> bool {
    state.stalled.iter().any(|one| one.matches(request))
}

/// After the interval, or shortly before the end of the watch, whichever comes first.
fn next_bookmark(ends_at: Instant, interval: Duration) -> Instant {
    let now = Instant::now();
    match ends_at.checked_sub(LAST_BOOKMARK_LEAD) {
        Some(last) if last > now => last.min(now + interval),
        _ => now + interval,
    }
}

/// The form that a client gets who asked for `PartialObjectMetadata`.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}
