use std::{
    fmt, io,
    process::{Command, ExitStatus},
    time::Duration,
};

use super::{
    Class,
    child::{HANGS_AFTER, SUPERVISED, wait_for},
};

/// How a program ended that was watched from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// It said what it had to say; its exit code.
    Ended(u8),
    /// It died.
    Crashed(ExitStatus),
    /// It was killed, because it had not ended after so long.
    Hung(Duration),
}

impl Watched {
    /// The exit code that tells it.
    pub fn code(self) -> u8 {
        match self {
            Self::Ended(code) => code,
            Self::Crashed(_) | Self::Hung(_) => Class::Crash.code(),
        }
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(code) => write!(f, "the run ended with {code}"),
            Self::Crashed(status) => write!(f, "the run crashed ({status}); what it said last is above"),
            Self::Hung(limit) => {
                write!(f, "the run hung: it had not ended after {} s, and was killed", limit.as_secs())
            }
        }
    }
}

/// Whether somebody watches this process already.
pub fn is_supervised() -> bool {
    std::env::var_os(SUPERVISED).is_some()
}

/// Does what this process was asked to do in one of its own, so that a panic, an abort and a hang can be told from a verdict.
pub fn supervise() -> io::Result<Watched> {
    // Not by its name: a build may have replaced the file since.
    let mut again = Command::new("/proc/self/exe");
    again.args(std::env::args_os().skip(1)).env(SUPERVISED, "1");
    watch(&mut again, HANGS_AFTER)
}

fn watch(command: &mut Command, limit: Duration) -> io::Result<Watched> {
    let status = wait_for(&mut command.spawn()?, limit)?;
    Ok(match status.map(|status| (status, status.code())) {
        None => Watched::Hung(limit),
        Some((_, Some(code @ 0..=3))) => Watched::Ended(u8::try_from(code).unwrap_or_default()),
        Some((status, _)) => Watched::Crashed(status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Watched {
        watch(Command::new("sh").args(["-c", script]), limit).expect("there is a shell")
    }

    #[test]
    fn a_verdict_keeps_its_exit_code() {
        for code in 0..=3 {
            assert_eq!(shell(&format!("exit {code}"), HANGS_AFTER), Watched::Ended(code));
            assert_eq!(Watched::Ended(code).code(), code);
        }
    }

    #[test]
    fn a_panic_and_a_signal_are_a_crash() {
        for (script, piece) in [("exit 101", "exit status: 101"), ("kill -ABRT $$", "signal: 6")] {
            let crashed = shell(script, HANGS_AFTER);
            assert_eq!(crashed.code(), 4, "{crashed:?}");
            assert!(crashed.to_string().contains(piece), "{crashed}");
        }
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let hung = shell("exec sleep 600", Duration::from_millis(100));
        assert_eq!((hung, hung.code()), (Watched::Hung(Duration::from_millis(100)), 4));
        assert!(hung.to_string().contains("hung"), "{hung}");
    }
}
