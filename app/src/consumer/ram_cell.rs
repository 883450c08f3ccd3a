use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{ENV_RESTORE, Ram};

/// Holds a process's RAM, so that it can be looked at, and copied at one instant, while the consumer works.
#[derive(Debug, Default)]
pub struct RamCell<S>(Arc<Mutex<Ram<S>>>);

impl<S> Clone for RamCell<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Clone + Default> RamCell<S> {
    /// The RAM of a process that starts from nothing. `restore` is the value of `MS2M_RESTORE`, if it is set.
    pub fn fresh(restore: Option<&str>) -> Self {
        Self::resume(Ram::fresh(restore))
    }

    /// The same, with the variable read from the environment.
    pub fn fresh_from_env() -> Self {
        Self::fresh(std::env::var(ENV_RESTORE).ok().as_deref())
    }

    /// A copy that goes on where it was taken.
    pub fn resume(ram: Ram<S>) -> Self {
        Self(Arc::new(Mutex::new(ram)))
    }

    /// A copy of everything, at this instant.
    pub fn snapshot(&self) -> Ram<S> {
        self.lock().clone()
    }

    /// Looks at it.
    pub fn look<T>(&self, look: impl FnOnce(&Ram<S>) -> T) -> T {
        look(&self.lock())
    }

    /// Never held across an await: whoever copies it would wait.
    pub(super) fn lock(&self) -> MutexGuard<'_, Ram<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
