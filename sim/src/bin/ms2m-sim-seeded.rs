//! The same as `ms2m-sim`, in the build into which bugs can be seeded: `cargo sim mutants` starts it.

fn main() -> std::process::ExitCode {
    ms2m_sim::cli::main()
}
