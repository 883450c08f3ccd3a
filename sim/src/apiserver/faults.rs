use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{journal::RequestRecord, request::Verb};

/// Which requests are meant; a field that is not set matches all. Data, so that a fault plan can be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestMatch {
    /// The verb.
    pub verb: Option<Verb>,
    /// Writes only, or reads only.
    pub is_write: Option<bool>,
    /// Plural name of the resource, such as `pods`.
    pub plural: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: Option<String>,
    /// Subresource, such as `status`; empty for the object itself.
    pub subresource: Option<String>,
    /// How the client's `User-Agent` begins.
    pub user_agent: Option<String>,
    /// The field manager that the write is recorded under.
    pub manager: Option<String>,
}

impl RequestMatch {
    /// Every request whose `User-Agent` begins so.
    pub fn from_client(user_agent: &str) -> Self {
        Self { user_agent: Some(user_agent.to_owned()), ..Self::default() }
    }

    /// Narrows to one verb.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Narrows to writes.
    #[must_use]
    pub fn writes(mut self) -> Self {
        self.is_write = Some(true);
        self
    }

    /// Narrows to one resource, by its plural name.
    #[must_use]
    pub fn of(mut self, plural: &str) -> Self {
        self.plural = Some(plural.to_owned());
        self
    }

    /// Narrows to one object's name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Narrows to one subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Whether a request is meant.
    pub fn matches(&self, request: &RequestRecord) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.verb.is_none_or(|verb| verb == request.verb)
            && self.is_write.is_none_or(|is_write| is_write == request.verb.is_write())
            && same(&self.plural, &request.plural)
            && same(&self.namespace, &request.namespace)
            && same(&self.name, &request.name)
            && same(&self.subresource, &request.subresource)
            && same(&self.manager, &request.manager)
            && self.user_agent.as_deref().is_none_or(|prefix| request.user_agent.starts_with(prefix))
    }
}

/// What goes wrong, with which requests, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Which requests.
    pub on: RequestMatch,
    /// How many of them pass unharmed first.
    pub skip: u32,
    /// How many of them are then hit.
    pub times: u32,
    /// What happens to them.
    pub effect: FaultEffect,
}

/// What happens to a request that is hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultEffect {
    /// It is answered with this status, and nothing is done.
    Refuse {
        /// HTTP status, such as 409, 429 or 500.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// The connection breaks before anything is done.
    LoseRequest,
    /// It is done, and the connection breaks before the answer.
    LoseAcknowledgement,
    /// It is done after this many milliseconds.
    Delay {
        /// Milliseconds.
        ms: u32,
    },
}

/// What the faults in force do to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) delay: Option<Duration>,
    pub(super) refuse: Option<(u16, Option<u32>)>,
    pub(super) lose_request: bool,
    pub(super) lose_acknowledgement: bool,
}

/// The faults in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    in_force: Vec<(u64, Fault)>,
    added: u64,
    /// Those that have hit a request, the withdrawn ones included.
    have_hit: BTreeSet<u64>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) -> u64 {
        self.added += 1;
        self.in_force.push((self.added, fault));
        self.added
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.in_force.retain(|(known, _)| *known != id);
    }

    pub(super) fn clear(&mut self) {
        self.in_force.clear();
    }

    pub(super) fn has_hit(&self, id: u64) -> bool {
        self.have_hit.contains(&id)
    }

    /// Judges a request, and uses up the faults that hit it.
    pub(super) fn judge(&mut self, request: &RequestRecord) -> Verdict {
        let mut verdict = Verdict::default();
        let meant = self.in_force.iter_mut().filter(|(_, fault)| fault.on.matches(request));
        for (id, fault) in meant {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.times == 0 {
                continue;
            }
            fault.times -= 1;
            self.have_hit.insert(*id);
            match fault.effect {
                FaultEffect::Refuse { code, retry_after_s } => verdict.refuse = Some((code, retry_after_s)),
                FaultEffect::LoseRequest => verdict.lose_request = true,
                FaultEffect::LoseAcknowledgement => verdict.lose_acknowledgement = true,
                FaultEffect::Delay { ms } => verdict.delay = Some(Duration::from_millis(u64::from(ms))),
            }
        }
        self.in_force.retain(|(_, fault)| fault.times > 0);
        verdict
    }
}
