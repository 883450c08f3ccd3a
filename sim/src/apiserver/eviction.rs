//! `pods/eviction`: what whoever drains a node asks for. There are no disruption budgets here that could refuse it.

use serde_json::{Value, json};

use super::{
    conditions::set_condition,
    delete::DeleteOptions,
    error::ApiError,
    object::{is_terminating, meta},
    request::Request,
    resource::Resource,
    store::{Key, Store},
};

/// Deletes a pod with the grace that it asks for, or the eviction does.
pub(super) fn evict(
    store: &mut Store,
    resource: &Resource,
    key: &Key,
    request: &Request,
) -> Result<(), ApiError> {
    let eviction = request.json_of(&["policy/v1", "policy/v1beta1"], "Eviction")?;
    if meta(&eviction, "name") != key.name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut given = eviction["deleteOptions"].clone();
    if request.is_dry_run() {
        given["dryRun"] = json!(["All"]);
    }
    let options = DeleteOptions::read(Some(&given), &request.query)?;
    let pod = store.get_existing(key)?;
    options.check(key, &pod)?;
    if !options.is_dry_run() && !is_terminating(&pod) {
        say_why(store, key);
    }
    store.delete(resource, key, &options.without_preconditions())?;
    Ok(())
}

/// Leaves behind on the pod, for as long as it is there, who wanted it gone.
fn say_why(store: &mut Store, key: &Key) {
    let why = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": store.stamp(),
    });
    let Some(mut pod) = store.get(key).map(|pod| Value::clone(pod)) else { return };
    set_condition(&mut pod, why);
    store.commit(key.clone(), pod);
}
