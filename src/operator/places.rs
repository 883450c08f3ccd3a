use tokio::sync::{Semaphore, SemaphorePermit};

/// The places in which migrations have their turns, so many at once. Who waits longest is next.
///
/// kube's own limit (`controller::Config::concurrency`) takes any of those that wait, in the order of a hash set: while others are
/// woken again and again, one may wait for ever.
pub(super) struct Places(Semaphore);

impl Places {
    pub(super) fn new(count: u16) -> Self {
        Self(Semaphore::new(usize::from(count)))
    }

    /// Waits for a place; none when no more turns begin.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }

    /// No more turns begin; those that have begun come to their end.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, pin_mut};

    use super::*;

    #[test]
    fn who_waits_longest_is_next_and_nobody_begins_once_they_are_closed() {
        let places = Places::new(1);
        let first = places.take().now_or_never().flatten();
        assert!(first.is_some());
        let (second, third) = (places.take(), places.take());
        pin_mut!(second, third);
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        // Asked in another order than they came.
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.now_or_never().flatten();
        assert!(second.is_some());
        places.close();
        assert!(third.now_or_never().is_some_and(|place| place.is_none()));
    }
}
