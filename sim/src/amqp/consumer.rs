/// A subscription.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) connection: u64,
    pub(super) channel: u16,
    pub(super) tag: String,
    pub(super) no_ack: bool,
    pub(super) exclusive: bool,
    pub(super) prefetch: u16,
    pub(super) in_flight: u16,
    /// For a stream: what it reads next.
    pub(super) next: u64,
}

impl Consumer {
    pub(super) fn has_room(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.in_flight < self.prefetch
    }

    pub(super) fn is(&self, connection: u64, channel: u16, tag: &str) -> bool {
        self.is_of(connection, channel) && self.tag == tag
    }

    pub(super) fn is_of(&self, connection: u64, channel: u16) -> bool {
        (self.connection, self.channel) == (connection, channel)
    }
}
