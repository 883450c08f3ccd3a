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

    /// Whether the whole connection ends by it, rather than the channel.
    pub(super) fn is_hard(&self) -> bool {
        self.code >= 500
    }
}
