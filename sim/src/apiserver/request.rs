use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;

/// What a client wants to do, in the words of Kubernetes' authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// One object is read.
    Get,
    /// All objects of a kind are read.
    List,
    /// Changes are streamed.
    Watch,
    /// An object is created.
    Create,
    /// An object is replaced.
    Update,
    /// An object is patched or applied.
    Patch,
    /// An object is deleted.
    Delete,
    /// All objects of a kind are deleted.
    DeleteCollection,
}

impl Verb {
    /// Whether the verb can change an object.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// What a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Empty for the object itself; for a proxy the rest of the path follows in it.
    pub(super) subresource: String,
}

impl Target {
    /// Reads a path below `/api` or `/apis`; none for the paths of discovery.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut segments = path.trim_matches('/').split('/');
        let (group, version) = match segments.next()? {
            "api" => ("", segments.next()?),
            "apis" => (segments.next()?, segments.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = segments.collect();
        let mut target = Self { group: group.to_owned(), version: version.to_owned(), ..Self::default() };
        let own_parts = |parts: &[&str]| matches!(parts, [] | ["status" | "finalize"]);
        let rest = match rest.as_slice() {
            [] => return None,
            ["namespaces", _, parts @ ..] if own_parts(parts) => rest.as_slice(),
            ["namespaces", namespace, parts @ ..] => {
                (*namespace).clone_into(&mut target.namespace);
                parts
            }
            parts => parts,
        };
        let (plural, rest) = rest.split_first()?;
        (*plural).clone_into(&mut target.plural);
        if let Some((name, subresource)) = rest.split_first() {
            (*name).clone_into(&mut target.name);
            target.subresource = subresource.join("/");
        }
        Some(target)
    }
}

/// The query parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1" | "True")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| ApiError::bad_request(format!("{name}: {text} is not a number"))),
        }
    }
}

/// One request, read completely.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) verb: Verb,
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) user_agent: String,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Who is recorded as the owner of the fields that this request writes.
    pub(super) fn manager(&self) -> String {
        let named = self.query.text("fieldManager");
        if !named.is_empty() {
            return named.to_owned();
        }
        let program = self.user_agent.split('/').next().unwrap_or_default();
        if program.is_empty() { "unknown".to_owned() } else { program.to_owned() }
    }

    /// Whether the client wants to know what would happen, and nothing written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.query.text("dryRun") == "All"
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))
    }

    /// The body as JSON, of a kind that is not that of the path's resource; it need not say which.
    pub(super) fn json_of(&self, api_versions: &[&str], kind: &str) -> Result<Value, ApiError> {
        let body = self.json()?;
        let is = |field: &str, known: &[&str]| body[field].as_str().is_none_or(|said| known.contains(&said));
        if !body.is_object() || !is("apiVersion", api_versions) || !is("kind", &[kind]) {
            let given = format!("{} {}", body["apiVersion"], body["kind"]);
            let message =
                format!("the body of the request must be a {kind} of {api_versions:?}, not {given}");
            return Err(ApiError::bad_request(message));
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn parsed(path: &str) -> (String, String, String, String, String) {
        let target = Target::parse(path).unwrap();
        (target.group, target.plural, target.namespace, target.name, target.subresource)
    }

    #[test]
    fn paths_name_collections_objects_and_subresources() {
        let owned = |parts: [&str; 5]| {
            let [group, plural, namespace, name, subresource] = parts.map(str::to_owned);
            (group, plural, namespace, name, subresource)
        };
        for (path, parts) in [
            ("/api/v1/pods", ["", "pods", "", "", ""]),
            ("/api/v1/namespaces/shop/pods/orders-0/status", ["", "pods", "shop", "orders-0", "status"]),
            ("/api/v1/namespaces/shop", ["", "namespaces", "", "shop", ""]),
            ("/api/v1/namespaces/shop/status", ["", "namespaces", "", "shop", "status"]),
            ("/apis/batch/v1/namespaces/shop/jobs", ["batch", "jobs", "shop", "", ""]),
            (
                "/api/v1/nodes/a/proxy/checkpoint/shop/orders-0/app",
                ["", "nodes", "", "a", "proxy/checkpoint/shop/orders-0/app"],
            ),
        ] {
            assert_eq!(parsed(path), owned(parts), "{path}");
        }
        for path in ["/", "/api", "/apis", "/api/v1", "/apis/batch/v1", "/version", "/healthz"] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
