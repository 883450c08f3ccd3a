//! What the operator writes at the API server.

use ms2m::{
    api::{ANNOTATION_MIGRATION_NAME, LABEL_MIGRATION_UID},
    protocol::names::{cleanup_job, transfer_job},
};
use serde_json::Value;

use super::owners::{Owner, Owners};
use crate::apiserver::{RequestRecord, Verb};

/// Judges one request that changed something; `object` is what is stored under its name now, and `works` whether a restored
/// process runs in the pod that it is about.
pub(super) fn judge(
    owners: &Owners,
    request: &RequestRecord,
    object: Option<&Value>,
    works: bool,
) -> Result<(), String> {
    let RequestRecord { plural, name, verb, .. } = request;
    if *verb == Verb::DeleteCollection {
        return Err(format!("it deleted {plural} without saying which"));
    }
    match plural.as_str() {
        "pods" => pod(owners, request, object, works),
        "jobs" => job(owners, request, object),
        "nodes" => checkpoint(owners, request),
        "statefulmigrations" if *verb == Verb::Delete => {
            Err(format!("it deleted {name}, which is its user's to delete"))
        }
        // These take nothing from anybody. What is written in a migration's object is followed by itself.
        "statefulmigrations" | "events" | "selfsubjectaccessreviews" => Ok(()),
        _ => Err(format!("{verb:?} of {plural} {name}, which is no migration's")),
    }
}

fn pod(owners: &Owners, request: &RequestRecord, object: Option<&Value>, works: bool) -> Result<(), String> {
    let RequestRecord { name, verb, .. } = request;
    let Some(workload) = owners.workload_of_pod(name) else {
        return Err(format!("{verb:?} of pod {name}, which is nobody's"));
    };
    let mut under_way = owners.of_workload(workload).filter(|owner| owner.is_under_way());
    let its = under_way.find(|owner| owner.names.is_source(name) || owner.names.shadow() == *name);
    let Some(its) = its else {
        return Err(format!("{verb:?} of pod {name}, of which no migration is under way"));
    };
    match (verb, object) {
        (Verb::Delete, _) => {
            // A shadow is replaced when its process has ended, or knows nothing of the source's RAM.
            let is_left = !its.takes_down() && (its.names.is_source(name) || works);
            if is_left && owners.others_are_under_way(workload) {
                return Err(format!("it deleted pod {name}, and {} had not asked", its.name));
            }
            Ok(())
        }
        (_, Some(object)) => bears_its_marks(owners, its, &format!("{verb:?} of pod {name}"), object),
        // Somebody deleted it since.
        (_, None) => Ok(()),
    }
}

fn job(owners: &Owners, request: &RequestRecord, object: Option<&Value>) -> Result<(), String> {
    let RequestRecord { name, verb, .. } = request;
    let Some(its) = owner_of_job(owners, |job| job == name) else {
        return Err(format!("{verb:?} of Job {name}, which is nobody's"));
    };
    match (verb, object) {
        (Verb::Delete, _) if its.takes_down() => Ok(()),
        (Verb::Delete, _) => Err(format!("it deleted Job {name}, and {} had not asked", its.name)),
        (_, Some(object)) => {
            let its_own = object["metadata"]["ownerReferences"].as_array().is_some_and(|references| {
                references.iter().all(|reference| reference["uid"] == its.uid.as_str())
            });
            if !its_own {
                return Err(format!("Job {name} is not owned by {} alone", its.name));
            }
            bears_its_marks(owners, its, &format!("Job {name}"), object)
        }
        (_, None) => Ok(()),
    }
}

/// The migration that has a Job whose name is meant.
pub(super) fn owner_of_job(owners: &Owners, is_meant: impl Fn(&str) -> bool) -> Option<&Owner> {
    owners
        .migrations()
        .find(|owner| is_meant(&transfer_job(&owner.uid)) || is_meant(&cleanup_job(&owner.uid)))
}

/// A pod or Job that one migration made or marked names that one, and nothing of another's. Without a mark it is only
/// while what the migration did is taken down.
fn bears_its_marks(owners: &Owners, its: &Owner, what: &str, object: &Value) -> Result<(), String> {
    let metadata = &object["metadata"];
    let marks =
        (&metadata["labels"][LABEL_MIGRATION_UID], &metadata["annotations"][ANNOTATION_MIGRATION_NAME]);
    let is_marked = *marks.0 == its.uid.as_str() && *marks.1 == its.name.as_str();
    let is_bare = marks.0.is_null() && marks.1.is_null();
    let may_be_bare = is_bare && its.takes_down();
    if !is_marked && !may_be_bare {
        return Err(format!("{what} has the marks {} and {}, and belongs to {}", marks.0, marks.1, its.name));
    }
    match owners.stranger_in(its, &object.to_string()) {
        Some((stranger, mark)) => {
            Err(format!("{what} belongs to {}, and names {mark}, which is {}'s", its.name, stranger.name))
        }
        None => Ok(()),
    }
}

/// `proxy/checkpoint/NAMESPACE/POD/CONTAINER`, at the source's node.
fn checkpoint(owners: &Owners, request: &RequestRecord) -> Result<(), String> {
    let RequestRecord { name: node, subresource, .. } = request;
    let pod = subresource.strip_prefix("proxy/checkpoint/").and_then(|path| path.split('/').nth(1));
    let Some(pod) = pod else { return Err(format!("it changed node {node}")) };
    let asks = |owner: &&Owner| {
        let is_there =
            owner.status.source.as_ref().is_some_and(|source| source.pod == pod && source.node == *node);
        is_there && owner.status.checkpoint.is_some()
    };
    match owners.migrations().find(asks) {
        Some(_) => Ok(()),
        None => Err(format!("pod {pod} was checkpointed on {node}, and no migration had asked")),
    }
}
