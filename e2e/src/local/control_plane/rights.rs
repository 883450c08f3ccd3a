use anyhow::Context as _;
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
};

use crate::local::cluster::resource_of;

/// Who the operator is: the account of `deploy/rbac.yaml`.
pub(super) const OPERATOR: &str = "system:serviceaccount:ms2m-system:ms2m-operator";
/// Where that account is, and the operator's Lease.
pub(in crate::local) const NAMESPACE: &str = "ms2m-system";
/// What a user applies.
const RBAC: &str = include_str!("../../../../deploy/rbac.yaml");

/// Grants the operator what a user would, and nothing else: a right that is missing there is missing here.
pub(super) async fn grant(client: &Client) -> anyhow::Result<()> {
    for object in roles_and_bindings()? {
        let (client, resource) = (client.clone(), resource_of(&object)?);
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        api.create(&PostParams::default(), &object).await.context("deploy/rbac.yaml is refused")?;
    }
    Ok(())
}

/// All but the account itself: its name is enough.
fn roles_and_bindings() -> anyhow::Result<Vec<DynamicObject>> {
    let mut objects: Vec<DynamicObject> = serde_saphyr::from_multiple(RBAC).context("deploy/rbac.yaml")?;
    objects.retain(|object| object.types.as_ref().is_some_and(|types| types.kind != "ServiceAccount"));
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_granted_to_the_account_that_the_run_uses() {
        let objects = roles_and_bindings().expect("it can be read");
        let bindings = objects.iter().filter(|object| !object.data["subjects"].is_null());
        let subjects: Vec<String> = bindings
            .map(|binding| {
                let subject = &binding.data["subjects"][0];
                let word = |name: &str| subject[name].as_str().unwrap_or_default();
                format!("system:serviceaccount:{}:{}", word("namespace"), word("name"))
            })
            .collect();
        assert!(!subjects.is_empty() && subjects.len() < objects.len(), "{subjects:?}");
        assert!(subjects.iter().all(|subject| subject == OPERATOR), "{subjects:?}");
    }
}
