//! The rights that the operator needs, and whether it has them.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

/// A right that the operator needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Verb.
    pub verb: &'static str,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Plural name.
    pub resource: &'static str,
    /// Subresource; empty for the object itself.
    pub subresource: &'static str,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right { verb, group, resource, subresource: "" }
}

/// What a migration cannot do without, in its namespace. What only reads is left out: a missing one shows itself.
pub const NEEDED: [Right; 8] = [
    right("create", "", "pods"),
    right("patch", "", "pods"),
    right("delete", "", "pods"),
    right("create", "batch", "jobs"),
    right("delete", "batch", "jobs"),
    right("list", "", "services"),
    right("patch", "migration.ms2m.io", "statefulmigrations"),
    Right { subresource: "status", ..right("patch", "migration.ms2m.io", "statefulmigrations") },
];

/// The right to ask for a checkpoint through the API server's node proxy.
pub const NODE_PROXY: Right = Right { subresource: "proxy", ..right("create", "", "nodes") };
/// The right to ask a kubelet itself.
pub const NODE_CHECKPOINT: Right = Right { subresource: "checkpoint", ..right("create", "", "nodes") };

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, " in {}", self.group)?;
        }
        Ok(())
    }
}

/// Whether the operator has a right in a namespace; an empty one for what belongs to none.
pub async fn is_granted(client: &kube::Client, namespace: &str, right: Right) -> Result<bool, kube::Error> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: text(right.verb),
                group: text(right.group),
                resource: text(right.resource),
                subresource: text(right.subresource),
                namespace: text(namespace),
                ..Default::default()
            }),
            ..Default::default()
        },
        ..Default::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
