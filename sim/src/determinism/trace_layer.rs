use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::{simulation::Simulation, trace};

/// Keeps what is logged while `act` runs, and by the client threads that it ends, out of the trace: the tasks of a
/// crashing host end in no particular order.
pub(crate) fn without_log(act: impl FnOnce()) {
    let set = |quiet| Simulation::current().inspect(|simulation| simulation.set_quiet(quiet));
    set(true);
    act();
    set(false);
}

/// Appends `tracing`'s events to the trace: turmoil's packets, what kube, lapin and hyper log, and our own.
///
/// For the strict comparison of two runs: they may agree in what they trace themselves and differ underneath.
/// Client threads take the subscriber of the task that opened their connection.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer {
    most_verbose: Level,
}

impl TraceLayer {
    /// Appends events of `most_verbose` and of every more important level.
    pub fn new(most_verbose: Level) -> Self {
        Self { most_verbose }
    }
}

impl<S: Subscriber> Layer<S> for TraceLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > self.most_verbose || Simulation::current().is_none_or(|run| run.is_quiet()) {
            return;
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        trace(&"log", format_args!("{} {}{}", metadata.level(), metadata.target(), fields.0));
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
