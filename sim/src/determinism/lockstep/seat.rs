use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    thread,
    time::Duration,
};

use tracing::{dispatcher, subscriber::NoSubscriber};

use super::Guest;
use crate::determinism::{random, simulation::Simulation};

thread_local! {
    /// Looked at first, and without a destructor: libc calls come from every thread, at any moment of its life.
    static IS_TAKEN: Cell<bool> = const { Cell::new(false) };
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

/// The calling thread's part as a guest. Given up, and the baton with it, when the thread ends.
struct Seat {
    guest: Arc<Guest>,
    log: Option<dispatcher::DefaultGuard>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        IS_TAKEN.set(false);
        self.log = None;
        Simulation::part();
        random::release();
        self.guest.baton().leave();
    }
}

/// The guest whose thread this is.
pub(in crate::determinism) fn this_guest() -> Option<Arc<Guest>> {
    if !IS_TAKEN.get() {
        return None;
    }
    // A thread that is being torn down, or that is just being seated, is none.
    SEAT.try_with(|seat| seat.try_borrow().ok()?.as_ref().map(|seat| Arc::clone(&seat.guest))).ok().flatten()
}

/// Makes the calling thread `guest`'s, if it is not already, and waits until it may run.
pub(super) fn take(guest: &Arc<Guest>) {
    if this_guest().is_some() {
        return;
    }
    assert!(
        Simulation::current().is_none(),
        "the simulation's thread cannot block on a connection: it would wait for itself"
    );
    let log = (!guest.dispatch().is::<NoSubscriber>()).then(|| dispatcher::set_default(guest.dispatch()));
    SEAT.with_borrow_mut(|seat| *seat = Some(Seat { guest: Arc::clone(guest), log }));
    IS_TAKEN.set(true);
    learn_parking_place(guest);
    random::seed(guest.seed());
    if let Some(simulation) = guest.simulation() {
        simulation.join();
    }
    guest.baton().give_back();
}

/// Parks for no time at all, which tells [`libc_wait`](crate::determinism::libc_wait) where.
fn learn_parking_place(guest: &Guest) {
    // A first attempt may only consume a wake that came before.
    for _ in 0..2 {
        if guest.parking_place() == 0 {
            thread::park_timeout(Duration::ZERO);
        }
    }
    assert_ne!(guest.parking_place(), 0, "std parks a thread in a way that lock-step does not know");
}
