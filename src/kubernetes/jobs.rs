//! What is done to the two Jobs.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};

use super::{
    MigrationRef,
    failure::{failure, is_absent, is_conflict},
    job_view, pods,
    transfer_job::LABEL_ROLE,
};
use crate::{
    api::{FIELD_MANAGER, LABEL_MIGRATION_UID, reason},
    protocol::{EffectFailure, JobView},
};

fn api(client: &kube::Client, namespace: &str) -> Api<Job> {
    Api::namespaced(client.clone(), namespace)
}

/// Looks at a Job, and where it has ended, at what its pods left to read.
pub async fn look(
    client: &kube::Client,
    migration: &MigrationRef,
    name: &str,
    role: &str,
) -> Result<JobView, kube::Error> {
    let Some(job) = api(client, &migration.namespace).get_opt(name).await? else {
        return Ok(JobView::Absent);
    };
    let mut ended: Vec<Pod> = Vec::new();
    if job_view::has_ended(&job) {
        let selector = format!("{LABEL_MIGRATION_UID}={},{LABEL_ROLE}={role}", migration.uid);
        let listed =
            pods::api(client, &migration.namespace).list(&ListParams::default().labels(&selector)).await?;
        ended = listed.items;
    }
    Ok(job_view::view(Some(&job), &ended))
}

/// Creates a Job; one of that name is this one, because its name has the migration's UID in it.
pub async fn create(client: &kube::Client, job: &Job) -> Result<(), EffectFailure> {
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    match api(client, namespace).create(&parameters, job).await {
        Err(error) if is_conflict(&error) => Ok(()),
        Err(error) => {
            let name = job.metadata.name.as_deref().unwrap_or_default();
            Err(failure(&format!("creating Job {name}"), reason::TRANSFER_FAILED, &error))
        }
        Ok(_) => Ok(()),
    }
}

/// Deletes a Job, its pods first: when the Job is gone, so are they.
pub async fn delete(client: &kube::Client, namespace: &str, name: &str) -> Result<(), EffectFailure> {
    match api(client, namespace).delete(name, &DeleteParams::foreground()).await {
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(failure(&format!("deleting Job {name}"), reason::LEFT_BEHIND, &error)),
        Ok(_) => Ok(()),
    }
}
