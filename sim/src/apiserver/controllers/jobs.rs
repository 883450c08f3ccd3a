use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    MANAGER,
    pods::{self, is_over, phase},
};
use crate::apiserver::{
    conditions::{is_ready, set_condition},
    delete::is_owned_by,
    error::ApiError,
    object::{finalizers, is_terminating, items, meta, set_meta},
    store::{Key, Store},
};

/// Keeps an ended pod until the Job has counted it.
const TRACKING_FINALIZER: &str = "batch.kubernetes.io/job-tracking";
const BACKOFF_FIRST: SignedDuration = SignedDuration::from_secs(10);
const BACKOFF_MAX: SignedDuration = SignedDuration::from_secs(600);

/// Brings every Job one step forward: counts its ended pods, ends it, or starts the pods it lacks.
pub(super) fn advance(store: &mut Store) {
    let jobs: Vec<(Key, Arc<Value>)> =
        store.entries("batch", "jobs", "").map(|(key, job)| (key.clone(), job.clone())).collect();
    for (key, job) in jobs {
        count_ended_pods(store, &key, &job);
        if let Some(job) = store.get(&key).cloned().filter(|job| !is_terminating(job) && !is_finished(job)) {
            advance_job(store, &key, &job);
        }
    }
    release_ownerless_pods(store);
}

/// Whether nothing of the pod runs any more: it ended, or its kubelet confirmed its deletion.
fn has_ended(pod: &Value) -> bool {
    let is_confirmed = is_terminating(pod) && pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    is_over(pod) || is_confirmed
}

fn is_finished(job: &Value) -> bool {
    items(&job["status"]["conditions"]).iter().any(|condition| {
        condition["status"] == "True" && matches!(condition["type"].as_str(), Some("Complete" | "Failed"))
    })
}

fn count_ended_pods(store: &mut Store, key: &Key, job: &Value) {
    for (pod_key, pod) in pods::of(store, job) {
        if !has_ended(&pod) || !finalizers(&pod).iter().any(|one| one == TRACKING_FINALIZER) {
            continue;
        }
        let outcome = if phase(&pod) == "Succeeded" { "succeeded" } else { "failed" };
        store.rewrite(key, MANAGER, "status", |job| {
            let counted = job["status"][outcome].as_i64().unwrap_or_default() + 1;
            job["status"][outcome] = json!(counted);
        });
        release(store, &pod_key);
    }
}

fn release(store: &mut Store, pod: &Key) {
    store.take_finalizer(pod, MANAGER, TRACKING_FINALIZER);
}

/// A pod whose Job is gone or going has nobody left to be counted by.
fn release_ownerless_pods(store: &mut Store) {
    let jobs: Vec<Arc<Value>> = store.list("batch", "jobs", "");
    let is_counted_by = |pod: &Value| jobs.iter().any(|job| is_owned_by(pod, meta(job, "uid")));
    let orphans: Vec<Key> = store
        .entries("", "pods", "")
        .filter(|(_, pod)| finalizers(pod).iter().any(|one| one == TRACKING_FINALIZER) && !is_counted_by(pod))
        .map(|(key, _)| key.clone())
        .collect();
    for key in orphans {
        release(store, &key);
    }
}

fn advance_job(store: &mut Store, key: &Key, job: &Value) {
    let pods = pods::of(store, job);
    let is_active = |pod: &Value| !has_ended(pod) && !is_terminating(pod);
    let active: Vec<Key> =
        pods.iter().filter(|(_, pod)| is_active(pod)).map(|(key, _)| key.clone()).collect();
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let (succeeded, failed) = (number(&job["status"]["succeeded"]), number(&job["status"]["failed"]));
    let spec = &job["spec"];
    let now = store.now();
    let started =
        job["status"]["startTime"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
    let deadline = spec["activeDeadlineSeconds"].as_i64().map(SignedDuration::from_secs);
    let restarts: i64 = if spec["template"]["spec"]["restartPolicy"] == "OnFailure" {
        pods.iter().map(|(_, pod)| restarts_of(pod)).sum()
    } else {
        0
    };

    let verdict = if succeeded >= number(&spec["completions"]) {
        Some(("Complete", "CompletionsReached", "Reached expected number of succeeded pods".to_owned()))
    } else if let Some(message) = pods.iter().find_map(|(_, pod)| final_failure(spec, pod)) {
        Some(("Failed", "PodFailurePolicy", message))
    } else if deadline.is_some_and(|deadline| now.duration_since(started) >= deadline) {
        Some(("Failed", "DeadlineExceeded", "Job was active longer than specified deadline".to_owned()))
    } else if failed + restarts > number(&spec["backoffLimit"]) {
        Some(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit".to_owned()))
    } else {
        None
    };
    if let Some((kind, reason, message)) = verdict {
        finish(store, key, kind, reason, &message);
        for pod in active {
            pods::delete(store, &pod);
        }
        return;
    }
    let wanted = number(&spec["parallelism"]).min(number(&spec["completions"]) - succeeded);
    let missing = usize::try_from(wanted).unwrap_or_default().saturating_sub(active.len());
    let mut running = active.len();
    if spec["suspend"] != true && missing > 0 && now >= next_attempt(&pods, failed) {
        for _ in 0..missing {
            match create_pod(store, job) {
                Ok(()) => running += 1,
                Err(error) => tracing::debug!(target: "apiserver", %error, "the Job's pod was not created"),
            }
        }
    }
    let ready = pods.iter().filter(|(_, pod)| is_active(pod) && is_ready(pod)).count();
    let stamp = store.stamp();
    store.rewrite(key, MANAGER, "status", |job| {
        if job["status"]["startTime"].is_null() {
            job["status"]["startTime"] = json!(stamp);
        }
        job["status"]["active"] = json!(running);
        job["status"]["ready"] = json!(ready);
    });
}

/// What is said of a failed pod whose exit code is one that the Job's policy fails it for at once. Of a policy's rules only those
/// of this form are known.
fn final_failure(spec: &Value, pod: &Value) -> Option<String> {
    if phase(pod) != "Failed" {
        return None;
    }
    let ends = items(&pod["status"]["containerStatuses"]).iter().filter_map(|status| {
        Some((status["name"].as_str()?, status["state"]["terminated"]["exitCode"].as_i64()?))
    });
    let ends: Vec<(&str, i64)> = ends.filter(|(_, code)| *code != 0).collect();
    items(&spec["podFailurePolicy"]["rules"]).iter().enumerate().find_map(|(index, rule)| {
        let codes = &rule["onExitCodes"];
        if rule["action"] != "FailJob" || codes["operator"] != "In" {
            return None;
        }
        let named = |name: &str| codes["containerName"].is_null() || codes["containerName"] == name;
        let meant = |code: i64| items(&codes["values"]).iter().any(|value| *value == code);
        let (name, code) = ends.iter().find(|(name, code)| named(name) && meant(*code))?;
        let (namespace, pod) = (meta(pod, "namespace"), meta(pod, "name"));
        Some(format!(
            "Container {name} for pod {namespace}/{pod} failed with exit code {code} matching FailJob rule at index {index}"
        ))
    })
}

fn restarts_of(pod: &Value) -> i64 {
    items(&pod["status"]["containerStatuses"])
        .iter()
        .filter_map(|status| status["restartCount"].as_i64())
        .sum()
}

/// After a failure the next pod waits, each time twice as long.
fn next_attempt(pods: &[(Key, Arc<Value>)], failed: i64) -> Timestamp {
    let ended = pods
        .iter()
        .filter(|(_, pod)| phase(pod) == "Failed")
        .flat_map(|(_, pod)| items(&pod["status"]["containerStatuses"]))
        .filter_map(|status| status["state"]["terminated"]["finishedAt"].as_str())
        .filter_map(|at| at.parse::<Timestamp>().ok())
        .max();
    let Some(ended) = ended else { return Timestamp::MIN };
    let doublings = u32::try_from((failed - 1).clamp(0, 10)).unwrap_or_default();
    let wait = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    ended.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn finish(store: &mut Store, key: &Key, kind: &str, reason: &str, message: &str) {
    let now = store.stamp();
    // The real controller says beforehand that it is going to say so; clients may look at either.
    let herald = if kind == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
    store.rewrite(key, MANAGER, "status", |job| {
        for condition in [herald, kind] {
            set_condition(
                job,
                json!({
                    "type": condition,
                    "status": "True",
                    "reason": reason,
                    "message": message,
                    "lastProbeTime": now,
                    "lastTransitionTime": now,
                }),
            );
        }
        let status = &mut job["status"];
        if status["startTime"].is_null() {
            status["startTime"] = json!(now);
        }
        if kind == "Complete" {
            status["completionTime"] = json!(now);
        }
        status["active"] = json!(0);
        status["ready"] = json!(0);
    });
}

fn create_pod(store: &mut Store, job: &Value) -> Result<(), ApiError> {
    let mut pod = pods::of_template(job);
    set_meta(&mut pod, "generateName", json!(format!("{}-", meta(job, "name"))));
    set_meta(&mut pod, "finalizers", json!([TRACKING_FINALIZER]));
    pods::create(store, ("", "pods"), meta(job, "namespace"), pod).map(drop)
}
