/// What the broker says when it does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Exception {
    pub(super) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn no_exchange(name: &str) -> Self {
        Self::new(404, format!("NOT_FOUND - no exchange '{name}' in vhost '/'"))
    }

    pub(super) fn no_queue(name: &str) -> Self {
        Self::new(404, format!("NOT_FOUND - no queue '{name}' in vhost '/'"))
    }

    /// It is there, but nothing leads it at the moment.
    pub(super) fn away(name: &str) -> Self {
        let what = format!("durable queue '{name}' in vhost '/'");
        Self::new(404, format!("NOT_FOUND - home node 'rabbit@broker' of {what} is down or inaccessible"))
    }

    pub(super) fn default_exchange() -> Self {
        Self::new(403, "ACCESS_REFUSED - operation not permitted on the default exchange")
    }

    /// Names that begin so are the broker's.
    pub(super) fn reserved(what: &str, name: &str) -> Self {
        Self::new(403, format!("ACCESS_REFUSED - {what} name '{name}' contains reserved prefix 'amq.*'"))
    }

    /// What is there was declared otherwise.
    pub(super) fn inequivalent(argument: &str, what: &str, name: &str) -> Self {
        Self::new(
            406,
            format!("PRECONDITION_FAILED - inequivalent arg '{argument}' for {what} '{name}' in vhost '/'"),
        )
    }

    /// Whether the whole connection ends by it, rather than the channel.
    pub(super) fn is_hard(&self) -> bool {
        self.code >= 500
    }
}
