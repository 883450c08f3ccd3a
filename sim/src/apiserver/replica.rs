use super::{
    server::{ApiServer, State},
    store::Store,
};

/// A second API server over the same store, whose cache can fall behind.
///
/// While it is behind, a load balancer sends it every watch that begins, and every read that is content with a cache. It
/// has what it had when it fell behind; reads of the latest state go through it to the store, and see everything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Replica {
    /// The version that it stands at; it means nothing while nobody holds it back.
    stands_at: u64,
    /// How many reasons there are for it to stand still.
    held_back: u32,
}

impl Replica {
    /// Whether it is the one that is asked, and has not the latest state.
    pub(super) fn is_behind(self) -> bool {
        self.held_back > 0
    }

    /// The version that it can tell of. One that has lost the thread lists everything anew, and is up to date then.
    pub(super) fn horizon(self, store: &Store) -> u64 {
        if self.is_behind() && self.stands_at >= store.compacted() { self.stands_at } else { store.version() }
    }
}

impl State {
    /// The version up to which a watch is told.
    pub(super) fn horizon_of(&self, is_at_replica: bool) -> u64 {
        if is_at_replica { self.replica.horizon(&self.store) } else { self.store.version() }
    }
}

impl ApiServer {
    /// Lets a second server fall behind, which watches that begin now are served by. Each call is undone by one of
    /// [`Self::catch_up`].
    pub fn fall_behind(&self) {
        let mut state = self.lock();
        if !state.replica.is_behind() {
            state.replica.stands_at = state.store.version();
        }
        state.replica.held_back += 1;
    }

    /// Takes away one reason for the second server to be behind; when it was the last, its watches tell what they held back.
    pub fn catch_up(&self) {
        let mut state = self.lock();
        state.replica.held_back = state.replica.held_back.saturating_sub(1);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// How many watches of a client were resumed at a server that had not reached the version they were resumed from.
    pub fn blind_watches(&self, user_agent: &str) -> u64 {
        self.lock().blind.get(user_agent).copied().unwrap_or_default()
    }
}
