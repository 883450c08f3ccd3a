use ms2m::registry::error::TransferError;

use crate::kubelet::ContainerSpec;

/// What a transfer is asked to do, and where.
pub(super) struct Errand {
    /// Name of the Job's pod.
    pub(super) job_pod: String,
    pub(super) node: String,
    words: Vec<String>,
}

impl Errand {
    pub(super) fn new(node: &str, spec: &ContainerSpec) -> Self {
        let words = spec.command.iter().chain(&spec.args).cloned().collect();
        Self { job_pod: spec.pod.clone(), node: node.to_owned(), words }
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word == flag)
    }

    /// The value of a flag, written `--flag value` or `--flag=value`.
    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        self.words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(flag)? {
            "" => self.words.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
    }

    /// The container id that a flag names, as runtimes write it.
    pub(super) fn container_id(&self, flag: &str) -> Option<&str> {
        self.value(flag).map(|id| id.rsplit("://").next().unwrap_or(id))
    }

    /// Host and port of the registry, for messages.
    pub(super) fn registry(&self) -> String {
        let image = self.value("--image").unwrap_or_default();
        image.split('/').next().unwrap_or_default().to_owned()
    }

    /// The registry answers with an error of its own.
    pub(super) fn unavailable(&self, status: u16, why: &str) -> TransferError {
        TransferError::Unavailable { registry: self.registry(), status, why: why.to_owned() }
    }

    /// The connection breaks.
    pub(super) fn unreachable(&self, why: &str) -> TransferError {
        TransferError::Unreachable { registry: self.registry(), why: why.to_owned() }
    }
}
