//! `cargo sim`: see [`ms2m_sim::cli`].

/// A run is a million small allocations, a fourth of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ms2m_sim::cli::main()
}
