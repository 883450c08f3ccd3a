use std::cell::Cell;

thread_local! {
    // No destructor, so that it can be read while the thread is being torn down.
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes this thread's randomness a function of `seed`, `fastrand`'s included.
pub(super) fn seed(seed: u64) {
    // Seeds are often small numbers in a row: without the mix their streams would be shifted copies of each other.
    STATE.set(Some(mix(seed ^ 0x6d73_326d_5eed)));
    fastrand::seed(seed);
}

/// Back to the operating system's randomness.
pub(super) fn release() {
    STATE.set(None);
}

/// Whether this thread's randomness is a run's.
pub(super) fn is_seeded() -> bool {
    STATE.get().is_some()
}

/// The next value of this thread's stream; `None` where no run has seeded it.
pub(super) fn next() -> Option<u64> {
    let state = STATE.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(Some(state));
    Some(mix(state))
}

/// The output function of splitmix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
