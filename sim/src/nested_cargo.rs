//! Cargo, started by a program that cargo started.

use std::{env, ffi::OsStr, process::Command};

/// What `cargo run` tells a program of its package begins with one of these.
const OF_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// A cargo that builds what a person's `cargo build` would: to build scripts, what this program was told of its package
/// would be news, and they and all that depends on them would be built again, now and by the next cargo.
pub fn nested_cargo(program: impl AsRef<OsStr>) -> Command {
    let mut cargo = Command::new(program);
    for (name, _) in env::vars_os() {
        if OF_PACKAGE.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            cargo.env_remove(name);
        }
    }
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    // Cargo runs this, too, and so there is something to remove.
    #[test]
    fn nothing_is_told_of_this_package() {
        let told: Vec<_> = env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
            .collect();
        assert!(told.iter().any(|name| name == "CARGO_MANIFEST_DIR") && told.len() > 1, "{told:?}");

        let cargo = nested_cargo("cargo");
        let removed: Vec<_> =
            cargo.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in &told {
            assert!(removed.contains(&name.as_os_str()), "{name:?} is passed on");
        }
        assert!(!removed.iter().any(|name| *name == "PATH"));
    }
}
