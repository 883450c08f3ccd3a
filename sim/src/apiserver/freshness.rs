//! How old an answer may be.

use std::time::Duration;

use super::{
    error::ApiError,
    request::{Request, Verb},
    server::{ApiServer, State},
};

/// How long a read waits for a version that is not reached yet, as the watch cache's `blockTimeout`.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How old the state may be that a read is answered from: what `resourceVersion` and `resourceVersionMatch` mean, by
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The last write is in it.
    Latest,
    /// As old as the server's cache is, but not older than this version; 0 is any.
    NotOlderThan(u64),
    /// As it was at this version.
    Exact(u64),
}

impl Freshness {
    /// What a request to get, list or watch insists on.
    ///
    /// # Errors
    /// 400 when the version is no number, 422 when version and match do not fit together.
    pub(super) fn of(request: &Request) -> Result<Self, ApiError> {
        let version = request.query.number("resourceVersion")?;
        match request.verb {
            Verb::List => Self::of_list(request, version),
            Verb::Watch => Self::of_watch(request, version),
            _ => Ok(version.map_or(Self::Latest, Self::NotOlderThan)),
        }
    }

    fn of_list(request: &Request, version: Option<u64>) -> Result<Self, ApiError> {
        let wanted = request.query.text("resourceVersionMatch");
        let continues = !request.query.text("continue").is_empty();
        if !request.query.text("sendInitialEvents").is_empty() {
            return refused("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list");
        }
        check_match(wanted, version)?;
        if continues && !wanted.is_empty() {
            let why = "Forbidden: resourceVersionMatch is forbidden when continue is provided";
            return refused(MATCH, why);
        }
        if continues && version.is_some_and(|version| version > 0) {
            let message = "specifying resource version is not allowed when using continue";
            return Err(ApiError::bad_request(message));
        }
        let limited = request.query.number("limit")?.is_some_and(|limit| limit > 0);
        Ok(match (version, wanted) {
            (None, _) => Self::Latest,
            (Some(version), "Exact") => Self::Exact(version),
            // Older than the parameter: a page of a version was of that version.
            (Some(version), "") if limited && version > 0 => Self::Exact(version),
            (Some(version), _) => Self::NotOlderThan(version),
        })
    }

    fn of_watch(request: &Request, version: Option<u64>) -> Result<Self, ApiError> {
        let wanted = request.query.text("resourceVersionMatch");
        if request.query.text("sendInitialEvents").is_empty() {
            if !wanted.is_empty() {
                let why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                return refused(MATCH, why);
            }
        } else if wanted != "NotOlderThan" {
            let why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return refused(MATCH, why);
        }
        // It begins after its version, whenever that is: nothing is waited for.
        let begins_after = version.is_some() && !request.query.flag("sendInitialEvents");
        Ok(if begins_after {
            Self::NotOlderThan(0)
        } else {
            version.map_or(Self::Latest, Self::NotOlderThan)
        })
    }
}

const MATCH: &str = "resourceVersionMatch";

fn refused<T>(field: &str, why: &str) -> Result<T, ApiError> {
    let cause = (field.to_owned(), why.to_owned());
    Err(ApiError::invalid(("meta.k8s.io", "ListOptions"), "", &[cause]))
}

/// Whether a match of a list is one, and can be of this version.
fn check_match(wanted: &str, version: Option<u64>) -> Result<(), ApiError> {
    match (wanted, version) {
        ("", _) | ("NotOlderThan", Some(_)) | ("Exact", Some(1..)) => Ok(()),
        ("Exact", Some(0)) => {
            refused(MATCH, "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
        }
        ("NotOlderThan" | "Exact", None) => {
            refused(MATCH, "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        (other, _) => {
            let why = format!(
                "Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\", \"\""
            );
            refused(MATCH, &why)
        }
    }
}

impl State {
    /// The version of the state that a read is answered from.
    ///
    /// # Errors
    /// 410 when it is forgotten.
    pub(super) fn version_to_read(&self, request: &Request) -> Result<u64, ApiError> {
        match Freshness::of(request)? {
            Freshness::Latest => Ok(self.store.version()),
            Freshness::NotOlderThan(_) => Ok(self.replica.horizon(&self.store)),
            Freshness::Exact(version) if version < self.store.compacted() => {
                Err(ApiError::expired("The resourceVersion for the provided list is too old."))
            }
            Freshness::Exact(version) => Ok(version),
        }
    }

    /// What a read insists on and the server that answers it has not reached; with what it has reached.
    fn lacks(&self, freshness: Freshness, latest: u64) -> Option<(u64, u64)> {
        let (wanted, reached) = match freshness {
            Freshness::Latest => (latest, self.replica.horizon(&self.store)),
            Freshness::NotOlderThan(version) => (version, self.replica.horizon(&self.store)),
            Freshness::Exact(version) => (version, self.store.version()),
        };
        (wanted > reached).then_some((wanted, reached))
    }
}

impl ApiServer {
    /// Waits until the server that answers has reached the version that a read insists on.
    ///
    /// # Errors
    /// 504, with a time to try again, when it does not get there soon.
    pub(super) async fn wait_until_fresh(&self, request: &Request) -> Result<(), ApiError> {
        let freshness = match request.verb {
            Verb::Get | Verb::List | Verb::Watch => Freshness::of(request)?,
            _ => return Ok(()),
        };
        // The store itself is asked for the latest state, except by a watch, which is the cache's.
        if freshness == Freshness::Latest && request.verb != Verb::Watch {
            return Ok(());
        }
        let latest = {
            let mut state = self.lock();
            let is_behind = state.replica.is_behind() && !matches!(freshness, Freshness::Exact(_));
            state.encounters.behind += u64::from(is_behind);
            state.store.version()
        };
        let ends_at = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            // Registered before the state is looked at, so that no change falls between the two.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let Some((wanted, reached)) = self.lock().lacks(freshness, latest) else { return Ok(()) };
            if tokio::time::timeout_at(ends_at, changed).await.is_err() {
                return Err(ApiError::too_large_version(wanted, reached));
            }
        }
    }
}
