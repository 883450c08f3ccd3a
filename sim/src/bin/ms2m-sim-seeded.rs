//! The same as `ms2m-sim`, in the build into which bugs can be seeded: `cargo sim mutants` starts it.

/// A run is a million small allocations, a fourth of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ms2m_sim::cli::main()
}
