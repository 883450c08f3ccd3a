//! A stand-in for what kube-controller-manager does about Jobs, which envtest's programs leave out: a pod for each Job, its
//! end counted, and its pods deleted with it.
//!
//! One pod at a time and no back-off between two: enough for Jobs that somebody waits for.

use futures::StreamExt as _;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Pod, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt as _, watcher},
};
use ms2m_app::io::{Clock as _, SystemClock};
use serde_json::json;

/// A Job with this one stays until its pods are gone.
const FOREGROUND: &str = "foregroundDeletion";

/// Runs until it is dropped.
pub(super) async fn run(client: Client) {
    let config = || watcher::Config::default().timeout(10);
    let jobs = watcher(Api::<Job>::all(client.clone()), config()).default_backoff().map(drop);
    let pods = watcher(Api::<Pod>::all(client.clone()), config()).default_backoff().map(drop);
    let mut changes = Box::pin(futures::stream::select(jobs, pods).ready_chunks(100));
    while changes.next().await.is_some() {
        // What did not work is tried again at the next change, and a conflict is one.
        if let Err(error) = settle(&client).await {
            tracing::debug!(%error, "Jobs");
        }
    }
}

async fn settle(client: &Client) -> kube::Result<()> {
    let everything = ListParams::default();
    let jobs = Api::<Job>::all(client.clone()).list(&everything).await?.items;
    let pods = Api::<Pod>::all(client.clone()).list(&everything).await?.items;
    for job in &jobs {
        let own: Vec<&Pod> = pods.iter().filter(|pod| owner(pod) == job.metadata.uid.as_deref()).collect();
        if job.metadata.deletion_timestamp.is_some() {
            let_go(client, job, &own).await?;
        } else if !has_ended(job) {
            advance(client, job, &own).await?;
        }
    }
    let alive = |uid: &str| jobs.iter().any(|job| job.metadata.uid.as_deref() == Some(uid));
    for orphan in pods.iter().filter(|pod| owner(pod).is_some_and(|uid| !alive(uid))) {
        delete(client, orphan).await?;
    }
    Ok(())
}

/// UID of the Job that a pod belongs to.
fn owner(pod: &Pod) -> Option<&str> {
    pod.owner_references().iter().find(|owner| owner.kind == "Job").map(|owner| owner.uid.as_str())
}

fn has_ended(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|one| matches!(one.type_.as_str(), "Complete" | "Failed") && one.status == "True")
}

async fn let_go(client: &Client, job: &Job, pods: &[&Pod]) -> kube::Result<()> {
    for pod in pods {
        delete(client, pod).await?;
    }
    let waits = job.finalizers().iter().any(|one| one == FOREGROUND);
    if pods.is_empty() && waits {
        let left: Vec<&String> = job.finalizers().iter().filter(|one| *one != FOREGROUND).collect();
        let patch =
            json!({"metadata": {"finalizers": left, "resourceVersion": job.metadata.resource_version}});
        api_of::<Job>(client, job)
            .patch(&job.name_any(), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    Ok(())
}

async fn delete(client: &Client, pod: &Pod) -> kube::Result<()> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    match api_of::<Pod>(client, pod).delete(&pod.name_any(), &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

async fn advance(client: &Client, job: &Job, pods: &[&Pod]) -> kube::Result<()> {
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let ended = |wanted: &str| pods.iter().filter(|pod| phase(pod) == wanted).count();
    let (succeeded, failed) = (ended("Succeeded"), ended("Failed"));
    let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(6);
    let verdict = if succeeded > 0 {
        Some(("Complete", "CompletionsReached", "Reached expected number of succeeded pods"))
    } else if i32::try_from(failed).unwrap_or(i32::MAX) > limit {
        Some(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    } else {
        None
    };
    if let Some((kind, reason, message)) = verdict {
        let now = SystemClock.now().to_string();
        let condition = json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now,
        });
        let status = json!({"succeeded": succeeded, "failed": failed, "conditions": [condition]});
        let patch = Patch::Merge(json!({"status": status}));
        api_of::<Job>(client, job).patch_status(&job.name_any(), &PatchParams::default(), &patch).await?;
    } else if pods.len() == succeeded + failed {
        create(client, job).await?;
    }
    Ok(())
}

async fn create(client: &Client, job: &Job) -> kube::Result<()> {
    let Some(PodTemplateSpec { metadata, spec }) = job.spec.as_ref().map(|spec| spec.template.clone()) else {
        return Ok(());
    };
    let mut pod = Pod { metadata: metadata.unwrap_or_default(), spec, status: None };
    pod.metadata.generate_name = Some(format!("{}-", job.name_any()));
    pod.metadata.owner_references = job
        .controller_owner_ref(&())
        .map(|owner| vec![OwnerReference { block_owner_deletion: Some(true), ..owner }]);
    api_of::<Pod>(client, job).create(&PostParams::default(), &pod).await.map(drop)
}

fn api_of<K>(client: &Client, beside: &impl kube::ResourceExt) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), &beside.namespace().unwrap_or_default())
}
