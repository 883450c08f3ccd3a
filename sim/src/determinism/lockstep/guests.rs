use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Guest;
use crate::determinism::simulation::Simulation;

/// The client threads of one run.
#[derive(Debug, Default)]
pub(in crate::determinism) struct Guests(Mutex<Vec<Arc<Guest>>>);

impl Guests {
    pub(super) fn add(&self, guest: Arc<Guest>) {
        let mut guests = self.list();
        guests.retain(|guest| !guest.baton().is_gone());
        guests.push(guest);
    }

    /// Makes the guest that is parked on the word at `address` due. Returns whether there is one.
    pub(in crate::determinism) fn wake_parked_on(&self, address: usize) -> bool {
        // The place of a thread that has ended may be another's by now.
        let is_parked = |guest: &&Arc<Guest>| guest.parking_place() == address && !guest.baton().is_gone();
        // The list is released first: waking a task may wake a lock's waiter, which leads here again.
        let parked = self.list().iter().find(is_parked).cloned();
        parked.inspect(|guest| guest.make_due()).is_some()
    }

    /// Ends every guest's thread that is left at the end of a run.
    pub(in crate::determinism) fn end_all(&self) {
        let left = std::mem::take(&mut *self.list());
        let stuck = left.iter().filter(|guest| !guest.end()).count();
        if stuck > 0 {
            tracing::warn!(
                stuck,
                "client threads outlive the run: they wait for something that is not simulated"
            );
        }
    }

    /// Ends the guests that were abandoned while something kept them from ending.
    pub(super) fn end_abandoned(&self) {
        let abandoned: Vec<_> = self.list().iter().filter(|guest| guest.is_abandoned()).cloned().collect();
        for guest in &abandoned {
            guest.end();
        }
        self.list().retain(|guest| !guest.baton().is_gone());
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<Guest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many client threads the current run has; 0 outside a run.
///
/// A host's are gone when it has crashed, and a connection's some time after it was closed.
pub fn client_threads() -> usize {
    Simulation::current().map_or(0, |simulation| {
        simulation.guests().list().iter().filter(|guest| !guest.baton().is_gone()).count()
    })
}
