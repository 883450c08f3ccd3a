use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    error::ApiError,
    journal::RequestRecord,
    request::{Request, Target, Verb},
};

/// What a client may not do; a field that is not set means all. The server refuses such requests with 403. Where it is a right that
/// the client lacks, access reviews say so, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Denied {
    /// How the `User-Agent` of the client begins.
    pub user_agent: Option<String>,
    /// Verb, such as `create`.
    pub verb: Option<String>,
    /// API group; empty for the core.
    pub group: Option<String>,
    /// Plural name, such as `nodes`.
    pub resource: Option<String>,
    /// Subresource, such as `proxy`; empty for the object itself.
    pub subresource: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// What an admission policy says that forbids it to whoever has the right; not set where it is the right that is missing.
    pub policy: Option<String>,
}

/// What somebody wants to do, in the words of an access review.
struct Access<'a> {
    user_agent: &'a str,
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
}

impl Denied {
    fn covers(&self, access: &Access<'_>) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.user_agent.as_deref().is_none_or(|prefix| access.user_agent.starts_with(prefix))
            && same(&self.verb, access.verb)
            && same(&self.group, access.group)
            && same(&self.resource, access.resource)
            && same(&self.subresource, access.subresource)
            && same(&self.namespace, access.namespace)
    }
}

/// Refuses a request that the client has no right to.
pub(super) fn authorize(denied: &[Denied], record: &RequestRecord) -> Result<(), ApiError> {
    let verb = serde_json::to_value(record.verb).unwrap_or_default();
    let verb = verb.as_str().unwrap_or_default();
    let subresource = record.subresource.split('/').next().unwrap_or_default();
    let access = Access {
        user_agent: &record.user_agent,
        verb,
        group: &record.group,
        resource: &record.plural,
        subresource,
        namespace: &record.namespace,
    };
    let Some(denied) = denied.iter().find(|one| one.covers(&access)) else { return Ok(()) };
    let slash = if subresource.is_empty() { "" } else { "/" };
    let why = denied.policy.clone().unwrap_or_else(|| {
        format!(
            "User \"{}\" cannot {verb} resource \"{}{slash}{subresource}\" in API group \"{}\"",
            record.user_agent, record.plural, record.group
        )
    });
    let message = format!("{} \"{}\" is forbidden: {why}", record.plural, record.name);
    Err(ApiError::new(403, "Forbidden", message))
}

/// Whether a request creates a `SelfSubjectAccessReview`.
pub(super) fn is_review(target: &Target, verb: Verb) -> bool {
    target.group == "authorization.k8s.io"
        && target.plural == "selfsubjectaccessreviews"
        && verb == Verb::Create
}

/// Answers a `SelfSubjectAccessReview`.
pub(super) fn review(denied: &[Denied], request: &Request) -> Result<Value, ApiError> {
    let mut review = request.json()?;
    let wanted = &review["spec"]["resourceAttributes"];
    if !wanted.is_object() {
        return Err(ApiError::bad_request("spec.resourceAttributes is required"));
    }
    let text = |field: &str| wanted[field].as_str().unwrap_or_default();
    let access = Access {
        user_agent: &request.user_agent,
        verb: text("verb"),
        group: text("group"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
    };
    let allowed = !denied.iter().any(|one| one.policy.is_none() && one.covers(&access));
    let reason = if allowed { "" } else { "RBAC: the right was taken away" };
    review["status"] = json!({ "allowed": allowed, "denied": false, "reason": reason });
    Ok(review)
}
