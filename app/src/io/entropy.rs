/// Where randomness comes from.
///
/// Always the operating system, never a generator in this process's memory: a restored process is a copy, and
/// a copied generator repeats itself. Two incarnations would then draw the same session.
pub trait Entropy: Send + Sync + 'static {
    /// A fresh random value.
    fn next_u64(&self) -> u64;

    /// A fresh 128-bit value as 32 lower-case hexadecimal digits: a nonce, a session, a producer id.
    fn token(&self) -> String {
        format!("{:016x}{:016x}", self.next_u64(), self.next_u64())
    }
}

/// The operating system's generator (`getrandom(2)`).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn next_u64(&self) -> u64 {
        // The system call fails only before the kernel's pool is seeded at boot; there is nothing to go on with.
        getrandom::u64().expect("the operating system has no randomness")
    }
}
