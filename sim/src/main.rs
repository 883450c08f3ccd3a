//! `cargo sim`: see [`ms2m_sim::cli`].

fn main() -> std::process::ExitCode {
    ms2m_sim::cli::main()
}
