use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{Kubelet, pod_status::time};

/// A shorter timeout is raised to this one, which is the runtime interface's own.
const TIMEOUT_MIN: Duration = Duration::from_mins(2);

/// Checkpoints that are being written, and faults that wait for the next ones.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// By container id; whether another call came meanwhile.
    in_flight: BTreeMap<String, bool>,
    faults: VecDeque<String>,
}

/// Why no archive was written, in the terms of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckpointError {
    /// 404.
    NotFound(String),
    /// 500.
    Failed(String),
}

impl Kubelet {
    /// Makes the next `times` checkpoints fail as if the runtime had said `message`.
    pub fn fail_next_checkpoints(&self, times: usize, message: &str) {
        let faults = std::iter::repeat_n(message.to_owned(), times);
        self.lock().checkpoints.faults.extend(faults);
    }

    /// Writes a checkpoint of a running container; returns the archive's path on this node.
    pub(super) async fn checkpoint(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        timeout: Duration,
    ) -> Result<String, CheckpointError> {
        let whole = format!("{namespace}/{pod}/{container}");
        let failed = |why: &str| CheckpointError::Failed(format!("checkpointing of {whole} failed ({why})"));
        let id = {
            let mut state = self.lock();
            let place = (namespace.to_owned(), pod.to_owned());
            let Some(known) = state.pods.get(&place) else {
                return Err(CheckpointError::NotFound("pod does not exist".to_owned()));
            };
            let Some(id) = known.containers.get(container).cloned() else {
                return Err(CheckpointError::NotFound(format!("container {container} does not exist")));
            };
            let id = id.ok_or_else(|| failed(&format!("container {container} is not running")))?;
            // Two dumps of one process end each other.
            if let Some(disturbed) = state.checkpoints.in_flight.get_mut(&id) {
                *disturbed = true;
                return Err(failed("another checkpoint of this container is in progress"));
            }
            state.checkpoints.in_flight.insert(id.clone(), false);
            id
        };
        let in_flight = InFlight { kubelet: self, id };
        let fault = self.lock().checkpoints.faults.pop_front();
        if let Some(message) = fault {
            return Err(failed(&message));
        }
        let archive = self.archive(namespace, pod, container);
        let timeout = timeout.max(TIMEOUT_MIN);
        let written = self.shared.runtime.checkpoint(&in_flight.id, &archive, timeout);
        let result = tokio::time::timeout(timeout, written).await;
        if in_flight.was_disturbed() {
            return Err(failed("another checkpoint of this container was in progress"));
        }
        match result {
            Ok(Ok(_)) => Ok(archive),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("context deadline exceeded")),
        }
    }

    /// The name has whole seconds: a second checkpoint in the same second overwrites the first.
    fn archive(&self, namespace: &str, pod: &str, container: &str) -> String {
        let folder = self.shared.config.checkpoints_dir.trim_end_matches('/');
        let now = time(self.shared.clock.now());
        format!("{folder}/checkpoint-{pod}_{namespace}-{container}-{now}.tar")
    }
}

/// Takes the mark away when the call ends, however it ends.
struct InFlight<'a> {
    kubelet: &'a Kubelet,
    id: String,
}

impl InFlight<'_> {
    fn was_disturbed(&self) -> bool {
        self.kubelet.lock().checkpoints.in_flight.get(&self.id).copied().unwrap_or_default()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.kubelet.lock().checkpoints.in_flight.remove(&self.id);
    }
}
