//! `Dial` and listeners over turmoil.
