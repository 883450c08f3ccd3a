use jiff::Timestamp;

/// Where wall-clock time comes from.
///
/// Durations and deadlines use `tokio::time`, which the simulator advances; this is for time stamps that
/// somebody reads later: a status, an event, a log.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
