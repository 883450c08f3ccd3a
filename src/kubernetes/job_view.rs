//! A Job as the protocol sees it.

use k8s_openapi::api::{
    batch::v1::{Job, JobCondition},
    core::v1::{ContainerStateTerminated, Pod},
};

use crate::{protocol::JobView, registry::report::TransferReport};

/// Whether the pods of a Job have something to tell: it ended.
pub fn has_ended(job: &Job) -> bool {
    condition(job, "Complete").is_some() || condition(job, "Failed").is_some()
}

/// A Job as the protocol sees it, with what its pods left in their termination messages.
pub fn view(job: Option<&Job>, pods: &[Pod]) -> JobView {
    let Some(job) = job else { return JobView::Absent };
    if job.metadata.deletion_timestamp.is_some() {
        return JobView::Terminating;
    }
    if condition(job, "Complete").is_some() {
        let message = last_end(pods, true).and_then(|end| end.message.clone()).unwrap_or_default();
        return JobView::Succeeded { message };
    }
    match condition(job, "Failed") {
        Some(verdict) => failed(verdict, last_end(pods, false)),
        None => JobView::Running,
    }
}

fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
}

/// The program's own words say more than the Job controller's, where it came to say any.
fn failed(verdict: &JobCondition, end: Option<&ContainerStateTerminated>) -> JobView {
    let own = end.and_then(|end| end.message.as_deref());
    if let Some(Ok(TransferReport::Error(failure))) = own.map(TransferReport::from_termination_message) {
        return JobView::Failed { reason: failure.reason.as_str().to_owned(), message: failure.message };
    }
    let reason = verdict.reason.clone().unwrap_or_else(|| "Failed".to_owned());
    let mut message = verdict.message.clone().unwrap_or_default();
    if let Some(end) = end {
        let why = end.reason.as_deref().unwrap_or_default();
        message = format!("{message}; its container ended with exit code {} {why}", end.exit_code);
    }
    JobView::Failed { reason, message: message.trim().to_owned() }
}

/// How the container that ended last did so.
fn last_end(pods: &[Pod], well: bool) -> Option<&ContainerStateTerminated> {
    let ends = pods.iter().filter_map(|pod| {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        statuses.first()?.state.as_ref()?.terminated.as_ref()
    });
    ends.filter(|end| (end.exit_code == 0) == well)
        .max_by_key(|end| end.finished_at.as_ref().map(|time| time.0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(conditions: &Value) -> Job {
        serde_json::from_value(json!({"metadata": {"name": "j"}, "status": {"conditions": conditions}}))
            .unwrap()
    }

    fn pod(code: i32, finished: &str, message: &str) -> Pod {
        let ended = json!({"exitCode": code, "finishedAt": finished, "message": message, "reason": "Error"});
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
            {"name": "transfer", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
             "state": {"terminated": ended}},
        ]}}))
        .unwrap()
    }

    #[test]
    fn a_job_without_a_verdict_runs() {
        assert_eq!(view(None, &[]), JobView::Absent);
        assert_eq!(view(Some(&job(&json!([]))), &[]), JobView::Running);
        let foretold = json!([{"type": "SuccessCriteriaMet", "status": "True"}]);
        assert_eq!(view(Some(&job(&foretold)), &[]), JobView::Running);
    }

    #[test]
    fn success_comes_with_the_message_of_the_pod_that_succeeded() {
        let pods = [pod(75, "2026-01-01T00:00:00Z", "tried"), pod(0, "2026-01-01T00:00:10Z", "done")];
        let complete = job(&json!([{"type": "Complete", "status": "True"}]));
        assert!(has_ended(&complete));
        assert_eq!(view(Some(&complete), &pods), JobView::Succeeded { message: "done".to_owned() });
    }

    #[test]
    fn failure_is_told_in_the_last_program_s_own_words_where_it_has_any() {
        let report = r#"{"error":{"reason":"RegistryForbidden","message":"may not push"}}"#;
        let pods = [pod(1, "2026-01-01T00:00:10Z", report), pod(75, "2026-01-01T00:00:00Z", "")];
        let verdict = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit"}]);
        let failed = |reason: &str, message: &str| JobView::Failed {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(view(Some(&job(&verdict)), &pods), failed("RegistryForbidden", "may not push"));
        assert_eq!(
            view(Some(&job(&verdict)), &[pod(137, "2026-01-01T00:00:00Z", "")]),
            failed("BackoffLimitExceeded", "limit; its container ended with exit code 137 Error")
        );
        assert_eq!(view(Some(&job(&verdict)), &[]), failed("BackoffLimitExceeded", "limit"));
    }
}
