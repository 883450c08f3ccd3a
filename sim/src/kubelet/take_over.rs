use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, ContainerStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{RunningContainer, container::Ended, pod_status::bare_id, pod_worker::PodWorker};

impl PodWorker {
    /// Goes on where an earlier kubelet stopped: by the runtime's word first, the API server's second.
    pub(super) fn take_over(&mut self, index: usize, found: &[RunningContainer]) {
        let name = self.containers[index].name.clone();
        let status = self.pod.status.clone().unwrap_or_default();
        let recorded = status.container_statuses.into_iter().flatten().find(|one| one.name == name);
        if let Some(recorded) = &recorded {
            let container = &mut self.containers[index];
            container.restarts = u32::try_from(recorded.restart_count).unwrap_or_default();
            container.pod_ip = status.pod_ip.unwrap_or_default();
        }
        // A kubelet that died between two attempts may have left both; the later one is the container.
        let running = found.iter().filter(|one| one.container == name).max_by_key(|one| one.attempt);
        match (running, recorded) {
            (Some(running), recorded) => self.take_over_running(index, running, recorded.as_ref()),
            (None, Some(recorded)) => self.take_over_recorded(index, &recorded),
            (None, None) => {}
        }
    }

    fn take_over_running(
        &mut self,
        index: usize,
        running: &RunningContainer,
        recorded: Option<&ContainerStatus>,
    ) {
        let container = &mut self.containers[index];
        container.restarts = container.restarts.max(running.attempt);
        container.pod_ip.clone_from(&running.pod_ip);
        let same = recorded.filter(|one| id_of(one) == running.container_id);
        let since = same.and_then(|one| one.state.as_ref()?.running.as_ref()?.started_at.as_ref());
        let started_at = self.moment(since);
        self.is_running(index, &running.container_id, started_at);
    }

    fn take_over_recorded(&mut self, index: usize, recorded: &ContainerStatus) {
        let id = id_of(recorded);
        let state = recorded.state.clone().unwrap_or_default();
        if let Some(running) = state.running {
            // The runtime may still tell how it ended.
            let started_at = self.moment(running.started_at.as_ref());
            self.is_running(index, id, started_at);
        } else if let Some(terminated) = state.terminated {
            let ended = self.ended(id, &terminated);
            self.containers[index].is_due = false;
            self.has_ended(index, ended);
        } else if let Some(last) = recorded.last_state.clone().and_then(|last| last.terminated) {
            let ended = self.ended(id, &last);
            self.containers[index].is_restart = true;
            self.containers[index].last = Some(ended);
        }
    }

    fn ended(&self, id: &str, terminated: &ContainerStateTerminated) -> Ended {
        Ended {
            id: id.to_owned(),
            code: terminated.exit_code,
            reason: if terminated.exit_code == 0 { "Completed" } else { "Error" },
            message: terminated.message.clone().unwrap_or_default(),
            started_at: self.moment(terminated.started_at.as_ref()),
            finished_at: self.moment(terminated.finished_at.as_ref()),
        }
    }

    fn moment(&self, at: Option<&Time>) -> Timestamp {
        at.map_or_else(|| self.now(), |at| at.0)
    }
}

fn id_of(recorded: &ContainerStatus) -> &str {
    bare_id(recorded.container_id.as_deref().unwrap_or_default())
}
