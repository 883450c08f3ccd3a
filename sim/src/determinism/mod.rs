//! Makes a run a function of its seed: libc shims, lock-stepped client threads, the trace.
