use serde_json::{Value, json};

use super::{error::ApiError, execute::selector_of, request::Request, resource::Resource, store::Store};

/// How far a list has got that is given out in pages.
struct Position {
    /// The state that all pages are of; none when it is forgotten, and the rest is to be of the present one.
    version: Option<u64>,
    /// Namespace and name of the last object that was given out.
    after: (String, String),
}

impl Position {
    fn parse(token: &str) -> Result<Self, ApiError> {
        let mut parts = token.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(version), Some(namespace), Some(name))
                if version == "-1" || version.parse::<u64>().is_ok() =>
            {
                Ok(Self { version: version.parse().ok(), after: (namespace.to_owned(), name.to_owned()) })
            }
            _ => Err(ApiError::bad_request("invalid continue token: continue key is not valid")),
        }
    }

    fn token(&self) -> String {
        let version = self.version.map_or_else(|| "-1".to_owned(), |version| version.to_string());
        format!("{version}/{}/{}", self.after.0, self.after.1)
    }
}

/// The objects as they were at a version, or the next page of a list that was begun at another one.
///
/// # Errors
/// 410 when what the pages are of is forgotten; with a token by which the rest can be had as it is now.
pub(super) fn list(
    store: &Store,
    resource: &Resource,
    request: &Request,
    version: u64,
) -> Result<Value, ApiError> {
    let selector = selector_of(resource, request)?;
    let begun = match request.query.text("continue") {
        "" => None,
        token => Some(Position::parse(token)?),
    };
    let limit = request.query.number("limit")?.filter(|limit| *limit > 0).unwrap_or(u64::MAX);
    // What comes out of the cache comes whole.
    let is_cached = request.query.text("resourceVersion") == "0" && begun.is_none();
    let limit = if is_cached { u64::MAX } else { limit };
    let version = begun.as_ref().and_then(|begun| begun.version).unwrap_or(version);
    if version < store.compacted()
        && let Some(begun) = begun
    {
        return Err(expired(begun));
    }
    let mut selected = Vec::new();
    let (mut last, mut remaining) = (None, 0_u64);
    // All pages are of the moment of the first.
    for (key, object) in store.entries_at(resource, &request.target.namespace, version) {
        let place = (key.namespace, key.name);
        if begun.as_ref().is_some_and(|begun| place <= begun.after) || !selector.matches(&object) {
            continue;
        }
        if selected.len() as u64 == limit {
            remaining += 1;
            continue;
        }
        last = Some(place);
        selected.push(if resource.custom { Value::clone(&object) } else { without_type(&object) });
    }
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if let Some(after) = last.filter(|_| remaining > 0) {
        metadata["continue"] = json!(Position { version: Some(version), after }.token());
        if selector.selects_all() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    Ok(json!({
        "kind": format!("{}List", resource.kind),
        "apiVersion": resource.api_version(),
        "metadata": metadata,
        "items": selected,
    }))
}

fn expired(begun: Position) -> ApiError {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter, or use the continue token in this response to retrieve the \
                   remainder of the results. Continuing with the provided token results in an inconsistent list - \
                   objects that were created, modified, or deleted between the time the first chunk was returned and \
                   now may show up in the list.";
    let in_the_present = Position { version: None, ..begun };
    ApiError::expired(message).continued_with(in_the_present.token())
}

/// Items of built-in kinds leave out what their list says of them all.
fn without_type(object: &Value) -> Value {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.remove("kind");
    fields.remove("apiVersion");
    Value::Object(fields)
}
