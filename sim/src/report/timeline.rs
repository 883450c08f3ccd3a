use std::{fmt, time::Duration};

use serde::Serialize;

/// What happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Timeline {
    events: Vec<Event>,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Since the run began.
    pub at_ms: u64,
    /// Who did it.
    pub lane: Lane,
    /// Index of the workload whose migration it belongs to, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<usize>,
    /// That migration's name: a workload may have several, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it was.
    pub text: String,
}

/// Who an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The migration's phases.
    Phase,
    /// The workload: source, target, their state.
    App,
    /// The publishers.
    Traffic,
    /// Something that was broken on purpose.
    Fault,
    /// The run itself.
    Run,
}

impl Timeline {
    /// Notes an event that belongs to no migration, or to the only one.
    pub fn note(&mut self, at: Duration, lane: Lane, text: impl fmt::Display) {
        self.push(at, lane, None, text);
    }

    /// Notes an event of a migration: of its workload's index, and by its name.
    pub fn note_of(
        &mut self,
        (workload, name): (usize, String),
        at: Duration,
        lane: Lane,
        text: impl fmt::Display,
    ) {
        self.push(at, lane, Some((workload, name)), text);
    }

    fn push(
        &mut self,
        at: Duration,
        lane: Lane,
        migration: Option<(usize, String)>,
        text: impl fmt::Display,
    ) {
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let (migration, name) = migration.unzip();
        self.events.push(Event { at_ms, lane, migration, name, text: text.to_string() });
    }

    /// All of them.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}
