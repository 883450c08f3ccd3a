use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    access,
    delete::{DeleteOptions, Deletion},
    error::ApiError,
    object::{items, meta},
    ownership::{Operation, Writer},
    patch::PatchKind,
    request::{Request, Target, Verb},
    resource::Resource,
    selector::Selector,
    server::State,
    store::{Key, Store},
    write::Write,
};

/// The answer to a request that is not a watch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) body: Arc<Value>,
}

impl Reply {
    fn ok(body: Arc<Value>) -> Self {
        Self { code: 200, body }
    }
}

impl State {
    /// Does what one request asks, in one step: the state is never seen half written.
    pub(super) fn execute(&mut self, request: &Request) -> Result<Reply, ApiError> {
        if access::is_review(&request.target, request.verb) {
            return Ok(Reply { code: 201, body: Arc::new(access::review(&self.denied, request)?) });
        }
        let resource = find_resource(&self.store, &request.target)?;
        check_target(&resource, request)?;
        if matches!(request.verb, Verb::Get | Verb::List) {
            return self.read(&resource, request);
        }
        let store = &mut self.store;
        match request.verb {
            Verb::Create => {
                let write = write_of(store, resource, request, Operation::Update);
                Ok(Reply { code: 201, body: store.create(&write, request.json()?)? })
            }
            Verb::Update => {
                let write = write_of(store, resource, request, Operation::Update);
                Ok(Reply::ok(store.update(&write, request.json()?)?))
            }
            Verb::Patch => patch(store, resource, request),
            Verb::Delete => delete(store, &resource, request),
            Verb::DeleteCollection => delete_collection(store, &resource, request),
            Verb::Get | Verb::List | Verb::Watch => Err(ApiError::method_not_allowed()),
        }
    }

    fn read(&self, resource: &Resource, request: &Request) -> Result<Reply, ApiError> {
        let version = self.version_to_read(request)?;
        Ok(Reply::ok(match request.verb {
            Verb::Get => self.store.get_at(&key_of(resource, &request.target), version)?,
            _ => Arc::new(list(&self.store, resource, request, version)?),
        }))
    }
}

/// The resource that a path names, in the version that it names.
pub(super) fn find_resource(store: &Store, target: &Target) -> Result<Arc<Resource>, ApiError> {
    store
        .catalogue
        .get(&target.group, &target.plural)
        .filter(|resource| resource.version == target.version)
        .cloned()
        .ok_or_else(ApiError::no_such_path)
}

/// What a list or a watch selects.
pub(super) fn selector_of(resource: &Resource, request: &Request) -> Result<Selector, ApiError> {
    Selector::parse(resource, request.query.text("labelSelector"), request.query.text("fieldSelector"))
}

fn check_target(resource: &Resource, request: &Request) -> Result<(), ApiError> {
    let target = &request.target;
    let is_namespace_right = resource.namespaced || target.namespace.is_empty();
    let is_status = target.subresource == "status" && resource.status;
    if !is_namespace_right || !(target.subresource.is_empty() || is_status) {
        return Err(ApiError::no_such_path());
    }
    let needs_namespace = resource.namespaced && !matches!(request.verb, Verb::List | Verb::Watch);
    if needs_namespace && target.namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    if is_status && !matches!(request.verb, Verb::Get | Verb::Update | Verb::Patch) {
        return Err(ApiError::method_not_allowed());
    }
    Ok(())
}

fn key_of(resource: &Resource, target: &Target) -> Key {
    Key::new(resource, &target.namespace, &target.name)
}

fn write_of(store: &Store, resource: Arc<Resource>, request: &Request, operation: Operation) -> Write {
    Write {
        key: key_of(&resource, &request.target),
        subresource: request.target.subresource.clone(),
        writer: Writer {
            manager: request.manager(),
            operation,
            subresource: request.target.subresource.clone(),
            time: store.stamp(),
        },
        dry_run: request.is_dry_run(),
        resource,
    }
}

/// The objects as they were at a version, or the next page of a list that was begun at another one.
fn list(store: &Store, resource: &Resource, request: &Request, version: u64) -> Result<Value, ApiError> {
    let selector = selector_of(resource, request)?;
    let limit = request.query.number("limit")?.filter(|limit| *limit > 0).unwrap_or(u64::MAX);
    // What comes out of the cache comes whole.
    let limit = if request.query.text("resourceVersion") == "0" { u64::MAX } else { limit };
    let (version, after) = match request.query.text("continue") {
        "" => (version, None),
        token => {
            let (version, after) = read_continue(token)?;
            if version < store.compacted() {
                return Err(ApiError::expired("The provided continue parameter is too old"));
            }
            (version, Some(after))
        }
    };
    let mut selected = Vec::new();
    let (mut next, mut remaining) = (String::new(), 0_u64);
    // All pages are of the moment of the first.
    for (key, object) in store.entries_at(resource, &request.target.namespace, version) {
        let place = (key.namespace.clone(), key.name.clone());
        if after.as_ref().is_some_and(|after| place <= *after) || !selector.matches(&object) {
            continue;
        }
        if selected.len() as u64 == limit {
            remaining += 1;
            continue;
        }
        next = format!("{version}/{}/{}", key.namespace, key.name);
        selected.push(if resource.custom { Value::clone(&object) } else { without_type(&object) });
    }
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if remaining > 0 {
        metadata["continue"] = json!(next);
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

/// Items of built-in kinds leave out what their list says of them all.
fn without_type(object: &Value) -> Value {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.remove("kind");
    fields.remove("apiVersion");
    Value::Object(fields)
}

fn read_continue(token: &str) -> Result<(u64, (String, String)), ApiError> {
    let mut parts = token.splitn(3, '/');
    match (parts.next().and_then(|version| version.parse().ok()), parts.next(), parts.next()) {
        (Some(version), Some(namespace), Some(name)) => {
            Ok((version, (namespace.to_owned(), name.to_owned())))
        }
        _ => Err(ApiError::bad_request("continue key is not valid")),
    }
}

fn patch(store: &mut Store, resource: Arc<Resource>, request: &Request) -> Result<Reply, ApiError> {
    let kind = match request.content_type.split(';').next().unwrap_or_default().trim() {
        "application/apply-patch+yaml" => return apply(store, resource, request),
        "application/merge-patch+json" => PatchKind::Merge,
        "application/json-patch+json" => PatchKind::Json,
        "application/strategic-merge-patch+json" if !resource.custom => PatchKind::Strategic,
        other => return Err(ApiError::unsupported_media_type(other)),
    };
    if request.query.flag("force") {
        let why = "Forbidden: may not be specified for non-apply patch".to_owned();
        return Err(ApiError::invalid("PatchOptions", "", &[("force".to_owned(), why)]));
    }
    let write = write_of(store, resource, request, Operation::Update);
    Ok(Reply::ok(store.patch(&write, kind, &request.json()?)?))
}

fn apply(store: &mut Store, resource: Arc<Resource>, request: &Request) -> Result<Reply, ApiError> {
    if request.query.text("fieldManager").is_empty() {
        let why = "Required value: is required for apply patch".to_owned();
        return Err(ApiError::invalid("PatchOptions", "", &[("fieldManager".to_owned(), why)]));
    }
    let write = write_of(store, resource, request, Operation::Apply);
    // Clients written in Rust send the configuration as JSON, which is YAML too; other YAML is not read.
    let (body, created) = store.apply(&write, request.json()?, request.query.flag("force"))?;
    Ok(Reply { code: if created { 201 } else { 200 }, body })
}

fn delete_options(request: &Request) -> Result<DeleteOptions, ApiError> {
    let body = if request.body.is_empty() { None } else { Some(request.json()?) };
    DeleteOptions::read(body.as_ref(), &request.query)
}

fn delete(store: &mut Store, resource: &Resource, request: &Request) -> Result<Reply, ApiError> {
    let options = delete_options(request)?;
    let deletion = store.delete(resource, &key_of(resource, &request.target), &options)?;
    Ok(Reply::ok(match deletion {
        Deletion::Begun(object) => object,
        // A pod is answered with itself, whatever became of it; other kinds with a Status.
        Deletion::Gone(object) if resource.kind == "Pod" => object,
        Deletion::Gone(object) => Arc::new(json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": meta(&object, "name"),
                "group": resource.group,
                "kind": resource.plural,
                "uid": meta(&object, "uid"),
            },
        })),
    }))
}

fn delete_collection(store: &mut Store, resource: &Resource, request: &Request) -> Result<Reply, ApiError> {
    let options = delete_options(request)?;
    let selected = list(store, resource, request, store.version())?;
    for object in items(&selected["items"]) {
        let key = Key::new(resource, meta(object, "namespace"), meta(object, "name"));
        store.delete(resource, &key, &options)?;
    }
    Ok(Reply::ok(Arc::new(selected)))
}
