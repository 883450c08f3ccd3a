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

    /// A consumer has had a delivery for too long.
    pub(super) fn late_ack(channel: u16) -> Self {
        let text = format!(
            "PRECONDITION_FAILED - delivery acknowledgement on channel {channel} timed out. Timeout value used: \
             1800000 ms. This timeout value can be configured, see consumers doc guide to learn more"
        );
        Self::new(406, text)
    }

    /// A method for a channel that is not open.
    pub(super) fn not_open() -> Self {
        Self::new(504, "CHANNEL_ERROR - expected 'channel.open'")
    }

    /// A channel is opened that is open, or that the broker is closing.
    pub(super) fn opened_twice() -> Self {
        Self::new(504, "CHANNEL_ERROR - second 'channel.open' seen")
    }

    /// The contents of a message come without the method that they belong to.
    pub(super) fn no_method() -> Self {
        Self::new(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead")
    }

    /// Whether the whole connection ends by it, rather than the channel.
    pub(super) fn is_hard(&self) -> bool {
        self.code >= 500
    }
}
