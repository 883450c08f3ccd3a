//! Points the Services that selected the source at the target.
//!
//! A Service selects by labels, so the labels move: first on to the shadow, then off the source. In between both are
//! selected, which is better than none.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{
    failure::{failure, is_absent},
    pods, shadow_pod,
};
use crate::{api::reason, protocol::EffectFailure};

/// The two pods between which labels move.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Name of the source pod.
    pub source: &'a str,
    /// Its UID.
    pub source_uid: &'a str,
    /// Name of the shadow pod.
    pub shadow: &'a str,
    /// Its UID.
    pub shadow_uid: &'a str,
}

/// Moves the labels. May be repeated.
pub async fn route(client: &kube::Client, namespace: &str, route: &Route<'_>) -> Result<(), EffectFailure> {
    let failed =
        |error: kube::Error| failure("pointing the Services at the target", reason::LEFT_BEHIND, &error);
    let all_pods = pods::api(client, namespace);
    let shadow = all_pods.get(route.shadow).await.map_err(failed)?;
    let labels = json!({"uid": route.shadow_uid, "labels": shadow_pod::waiting_labels(&shadow)});
    pods::patch_metadata(&all_pods, route.shadow, labels).await.map_err(failed)?;

    let Some(source) = all_pods.get_opt(route.source).await.map_err(failed)? else { return Ok(()) };
    if source.metadata.uid.as_deref() != Some(route.source_uid) {
        return Ok(());
    }
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let services = services.list(&ListParams::default()).await.map_err(failed)?;
    let selecting = selecting_labels(&source, &services.items);
    if selecting.is_empty() {
        return Ok(());
    }
    let labels: BTreeMap<&str, Value> = selecting.iter().map(|name| (name.as_str(), Value::Null)).collect();
    let labels = json!({"uid": route.source_uid, "labels": labels});
    match pods::patch_metadata(&all_pods, route.source, labels).await {
        Err(error) if is_absent(&error) => Ok(()),
        done => done.map_err(failed),
    }
}

/// The labels by which any of the Services selects the pod.
fn selecting_labels(pod: &Pod, services: &[Service]) -> BTreeSet<String> {
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let selectors = services.iter().filter_map(|service| service.spec.as_ref()?.selector.as_ref());
    // A Service without a selector has its endpoints from somebody else.
    let matching = selectors.filter(|selector| {
        !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
    });
    matching.flat_map(|selector| selector.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(selector: &Value) -> Service {
        serde_json::from_value(json!({"metadata": {"name": "s"}, "spec": {"selector": selector}})).unwrap()
    }

    #[test]
    fn only_labels_by_which_a_service_selects_the_pod_are_moved() {
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {"labels": {"app": "counter", "tier": "back", "team": "a"}}}),
        )
        .unwrap();
        let services = [
            service(&json!({"app": "counter", "tier": "back"})),
            service(&json!({"app": "counter", "team": "b"})),
            service(&json!({})),
            service(&Value::Null),
        ];
        let labels = selecting_labels(&pod, &services);
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["app", "tier"]);
    }
}
