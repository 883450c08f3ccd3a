use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

/// Works on items beside each other, each worker on a processor of its own.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    jobs: usize,
}

/// Asks a pool not to take up anything more.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// What is under way is finished, nothing else is begun.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Pool {
    /// As many workers as that; as processors, where nothing is said.
    pub fn new(jobs: Option<usize>) -> Self {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        Self { jobs: jobs.unwrap_or_else(processors).max(1) }
    }

    /// How many workers.
    pub fn jobs(self) -> usize {
        self.jobs
    }

    /// Calls `work` with each item and the worker's number, and `take` with each result, in the order in which they come.
    pub fn each<I: Send, R: Send>(
        self,
        items: impl Iterator<Item = I> + Send,
        work: impl Fn(&I, usize) -> R + Sync,
        mut take: impl FnMut(I, R, &Stop),
    ) {
        let items = Mutex::new(items);
        let stop = Stop::default();
        let (sender, results) = mpsc::channel();
        thread::scope(|scope| {
            for worker in 0..self.jobs {
                let (sender, items, stop, work) = (sender.clone(), &items, &stop, &work);
                scope.spawn(move || {
                    while !stop.is_set() {
                        let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(item) = item else { return };
                        let result = work(&item, worker);
                        if sender.send((item, result)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (item, result) in results {
                take(item, result, &stop);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_until_it_is_stopped() {
        let mut seen = Vec::new();
        Pool::new(Some(3)).each(0..100, |item, _| item * 2, |item, result, _| seen.push((item, result)));
        seen.sort_unstable();
        assert_eq!(seen, (0..100).map(|item| (item, item * 2)).collect::<Vec<_>>());
        let mut taken = 0;
        Pool::new(Some(2)).each(
            0..,
            |_: &u64, _| (),
            |_, (), stop| {
                taken += 1;
                stop.stop();
            },
        );
        assert!(taken >= 1);
    }
}
