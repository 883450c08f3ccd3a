use serde_json::{Value, json};

/// A refused request, as the `Status` body that clients decode.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiError {
    /// HTTP status.
    pub(super) code: u16,
    /// Machine-readable reason, such as `NotFound`.
    pub(super) reason: String,
    /// What a person reads.
    pub(super) message: String,
    /// `Status.details`; null when there are none.
    pub(super) details: Value,
    /// `Status.metadata.continue`: how a list can be gone on with that cannot be gone on with as it was.
    pub(super) continue_token: Option<String>,
}

impl ApiError {
    pub(super) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Value::Null,
            continue_token: None,
        }
    }

    fn about(mut self, group: &str, plural: &str, name: &str) -> Self {
        self.details = json!({ "name": name, "kind": plural });
        if !group.is_empty() {
            self.details["group"] = json!(group);
        }
        self
    }

    pub(super) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(group, plural));
        Self::new(404, "NotFound", message).about(group, plural, name)
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, plural));
        Self::new(409, "AlreadyExists", message).about(group, plural, name)
    }

    pub(super) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, plural));
        Self::new(409, "Conflict", message).about(group, plural, name)
    }

    pub(super) fn stale(group: &str, plural: &str, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    /// An object, or a part of a request, that breaks the rules of its kind; the causes are fields and what is wrong with
    /// them.
    pub(super) fn invalid((group, kind): (&str, &str), name: &str, causes: &[(String, String)]) -> Self {
        let said: Vec<String> = causes.iter().map(|(field, why)| format!("{field}: {why}")).collect();
        let said = if said.len() == 1 { said.concat() } else { format!("[{}]", said.join(", ")) };
        let mut error =
            Self::new(422, "Invalid", format!("{} \"{name}\" is invalid: {said}", qualified(group, kind)));
        let causes: Vec<Value> = causes
            .iter()
            .map(|(field, why)| json!({ "reason": reason_of(why), "message": why, "field": field }))
            .collect();
        error.details = json!({ "kind": kind, "causes": causes });
        for (field, text) in [("name", name), ("group", group)] {
            if !text.is_empty() {
                error.details[field] = json!(text);
            }
        }
        error
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// Says with which token the rest of a list can be had all the same.
    #[must_use]
    pub(super) fn continued_with(mut self, token: String) -> Self {
        self.continue_token = Some(token);
        self
    }

    /// A version that the server that was asked has not reached, and did not reach while it was waited for.
    pub(super) fn too_large_version(wanted: u64, reached: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {reached}");
        let mut error = Self::new(504, "Timeout", message);
        error.details = json!({ "causes": [
            { "reason": "ResourceVersionTooLarge", "message": "Too large resource version" },
        ] });
        error.retry_after(1)
    }

    /// Says in how many seconds it makes sense to try again.
    #[must_use]
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.details["retryAfterSeconds"] = json!(seconds);
        self
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(super) fn unsupported_media_type(content_type: &str) -> Self {
        let message = format!("the body of the request was in an unknown format: {content_type}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The `Status` object that is the body of the answer.
    pub(super) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = json!(token);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// The machine-readable form of what the description of a cause begins with.
fn reason_of(why: &str) -> &'static str {
    const REASONS: &[(&str, &str)] = &[
        ("Duplicate value", "FieldValueDuplicate"),
        ("Forbidden", "FieldValueForbidden"),
        ("Not found", "FieldValueNotFound"),
        ("Required value", "FieldValueRequired"),
        ("Too long", "FieldValueTooLong"),
        ("Too many", "FieldValueTooMany"),
        ("Unsupported value", "FieldValueNotSupported"),
    ];
    if why.contains(" in body must be of type ") {
        return "FieldValueTypeInvalid";
    }
    let found = REASONS.iter().find(|(beginning, _)| why.starts_with(beginning));
    found.map_or("FieldValueInvalid", |(_, reason)| reason)
}

fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
