/// How often clients have met what can be wrong with watches, with what a cache answers, and with what they write upon; what is
/// wrong and met by nobody does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encounters {
    /// A watch that is stalled had something to tell.
    pub held_back: u64,
    /// A watch began, or a cache was read, at a server that had fallen behind.
    pub behind: u64,
    /// A watch or a list was told 410 Gone.
    pub gone: u64,
    /// A migration's status was written upon a version that was not the last any more. A 409 that a fault answers is none.
    pub conflicts: u64,
}
