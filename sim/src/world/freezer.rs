//! Stops a process and lets it go on, as SIGSTOP and SIGCONT do, or a machine that is moved or short of CPU.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// What holds one process still. Clones are of the same.
///
/// While it does, nothing of the process's own runs; its time goes on, so that afterwards all that it waited for is over at once.
/// What its libraries have spawned runs: whoever freezes it holds its network links, too.
#[derive(Clone, Default)]
pub struct Freezer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By how many it is held still.
    frozen: u32,
    waiting: Option<Waker>,
}

impl Freezer {
    /// Holds it still, once more.
    pub fn freeze(&self) {
        self.lock().frozen += 1;
    }

    /// Lets go of it; it goes on when nobody else holds it still.
    pub fn thaw(&self) {
        let mut state = self.lock();
        state.frozen = state.frozen.saturating_sub(1);
        let waiting = if state.frozen == 0 { state.waiting.take() } else { None };
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// A new process is not held still by what held the last one.
    pub fn begin<F: Future>(&self, process: F) -> Frozen<F> {
        *self.lock() = State::default();
        Frozen { freezer: self.clone(), process: Box::pin(process) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that can be held still.
pub struct Frozen<F> {
    freezer: Freezer,
    process: Pin<Box<F>>,
}

impl<F: Future> Future for Frozen<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        {
            let mut state = self.freezer.lock();
            if state.frozen > 0 {
                state.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.process.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_still_goes_on_when_the_last_lets_go_and_its_time_has_passed_meanwhile() {
        let freezer = Freezer::default();
        let began = Instant::now();
        let mut process = freezer.begin(async {
            sleep(Duration::from_secs(5)).await;
            began.elapsed()
        });
        timeout(Duration::from_secs(1), &mut process).await.expect_err("it sleeps");
        freezer.freeze();
        freezer.freeze();
        timeout(Duration::from_secs(20), &mut process).await.expect_err("it is held still");
        freezer.thaw();
        timeout(Duration::from_secs(1), &mut process).await.expect_err("by one more");
        freezer.thaw();
        assert_eq!(process.await, Duration::from_secs(22));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_started_anew_runs() {
        let freezer = Freezer::default();
        drop(freezer.begin(std::future::pending::<()>()));
        freezer.freeze();
        freezer.begin(sleep(Duration::from_secs(1))).await;
        freezer.thaw();
    }
}
