//! The end-to-end assertions on real parts.
