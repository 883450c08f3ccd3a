use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tracing::Dispatch;

use super::baton::Baton;
use crate::determinism::{simulation::Simulation, virtual_clock};

/// More slices than any shutdown takes. A guest that still wants to run then is in an endless loop.
const SLICES_TO_END_MAX: usize = 10_000;

/// A client thread that runs only while the simulation's thread lends it the baton.
#[derive(Debug)]
pub(in crate::determinism) struct Guest {
    baton: Baton,
    /// The word that `std` parks this thread on; 0 until it is known.
    parking_place: AtomicUsize,
    /// Something happened that the guest waits for.
    due: AtomicBool,
    /// Nobody needs what the guest does any more: it is to end as soon as it can.
    abandoned: AtomicBool,
    times: Mutex<Times>,
    schedule: AtomicWaker,
    seed: u64,
    dispatch: Dispatch,
    simulation: Weak<Simulation>,
}

#[derive(Debug, Default)]
struct Times {
    clock: GuestClock,
    /// When the guest wants to run next if nothing else wakes it, as [`GuestClock::monotonic`].
    deadline: Option<Duration>,
}

/// A guest's clocks, which stand still while it runs, as a task's do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::determinism) struct GuestClock {
    /// Its host's monotonic clock.
    pub(in crate::determinism) monotonic: Duration,
    /// Simulated time since the start of the run.
    pub(in crate::determinism) elapsed: Duration,
}

impl Guest {
    /// A guest whose thread has yet to be started. `seed` decides its randomness.
    pub(super) fn new(simulation: &Arc<Simulation>, seed: u64, dispatch: Dispatch) -> Arc<Self> {
        let guest = Arc::new(Self {
            baton: Baton::default(),
            parking_place: AtomicUsize::new(0),
            due: AtomicBool::new(true),
            abandoned: AtomicBool::new(false),
            times: Mutex::default(),
            schedule: AtomicWaker::new(),
            seed,
            dispatch,
            simulation: Arc::downgrade(simulation),
        });
        simulation.guests().add(Arc::clone(&guest));
        guest
    }

    pub(super) fn baton(&self) -> &Baton {
        &self.baton
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    pub(super) fn simulation(&self) -> Option<Arc<Simulation>> {
        self.simulation.upgrade()
    }

    pub(in crate::determinism) fn clock(&self) -> GuestClock {
        self.times().clock
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- on the guest's thread

    /// The word that `std` parks this thread on, 0 while it is unknown.
    pub(in crate::determinism) fn parking_place(&self) -> usize {
        self.parking_place.load(Ordering::SeqCst)
    }

    pub(in crate::determinism) fn set_parking_place(&self, address: usize) {
        self.parking_place.store(address, Ordering::SeqCst);
    }

    /// Lets the simulation go on until something makes this guest due, or until `deadline` on its monotonic clock.
    ///
    /// May return early. Returns whether the deadline has passed.
    pub(in crate::determinism) fn rest(&self, deadline: Option<Duration>) -> bool {
        self.wake_at(deadline);
        self.baton.give_back();
        let mut times = self.times();
        times.deadline = None;
        deadline.is_some_and(|deadline| self.is_abandoned() || deadline <= times.clock.monotonic)
    }

    /// Makes the next rest end at `deadline` at the latest; the earliest one counts.
    pub(super) fn wake_at(&self, deadline: Option<Duration>) {
        let mut times = self.times();
        times.deadline = times.deadline.into_iter().chain(deadline).min();
    }

    // ---- on the simulation's thread

    /// Notes that the guest has something to do.
    pub(in crate::determinism) fn make_due(&self) {
        if !self.due.swap(true, Ordering::SeqCst) {
            self.schedule.wake();
        }
    }

    /// Wakes `schedule` when the guest becomes due.
    pub(super) fn register(&self, schedule: &Waker) {
        self.schedule.register(schedule);
    }

    /// Lets the guest run for as long as it has something to do now.
    ///
    /// Returns when it wants to run next if nothing happens before, or that it has ended.
    pub(super) fn run_while_due(&self) -> Progress {
        loop {
            if self.baton.is_gone() {
                return Progress::Ended;
            }
            let Some(monotonic) = virtual_clock::monotonic() else { return Progress::Waits(None) };
            let deadline = self.times().deadline;
            let late = deadline.is_some_and(|deadline| deadline <= monotonic);
            if !self.due.swap(false, Ordering::SeqCst) && !late {
                return Progress::Waits(deadline.map(|deadline| deadline.saturating_sub(monotonic)));
            }
            self.lend(monotonic);
        }
    }

    fn lend(&self, monotonic: Duration) {
        let elapsed = virtual_clock::elapsed().unwrap_or_default();
        self.times().clock = GuestClock { monotonic, elapsed };
        self.baton.lend();
    }

    /// Whether the guest is to end.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Lets the guest run until its thread ends. Its stream must be broken already.
    ///
    /// Returns whether it ended: a guest that waits for something else than its stream or the time does not.
    pub(super) fn end(&self) -> bool {
        self.abandoned.store(true, Ordering::SeqCst);
        self.due.store(true, Ordering::SeqCst);
        for _ in 0..SLICES_TO_END_MAX {
            if self.baton.is_gone() {
                return true;
            }
            let sleeps = self.times().deadline.is_some();
            if !self.due.swap(false, Ordering::SeqCst) && !sleeps {
                return false;
            }
            self.lend(virtual_clock::monotonic().unwrap_or_default());
        }
        self.baton.is_gone()
    }
}

/// What became of a guest that was allowed to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits, for at most this long.
    Waits(Option<Duration>),
    /// Its thread has ended.
    Ended,
}

impl Wake for Guest {
    fn wake(self: Arc<Self>) {
        self.make_due();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.make_due();
    }
}
