/// How often clients have met what can be wrong with watches and with what a cache answers; what is wrong and met by nobody does
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encounters {
    /// A watch that is stalled had something to tell.
    pub held_back: u64,
    /// A watch began, or a cache was read, at a server that had fallen behind.
    pub behind: u64,
    /// A watch or a list was told 410 Gone.
    pub gone: u64,
}
