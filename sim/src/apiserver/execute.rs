use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    access, binding,
    delete::{DeleteOptions, Deletion},
    error::ApiError,
    eviction,
    list::list,
    object::{items, meta},
    ownership::{Operation, Writer},
    patch::PatchKind,
    request::{Request, Target, Verb},
    resource::Resource,
    scale::scale_of,
    selector::Selector,
    server::State,
    store::{Key, Store},
    subresource::Subresource,
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

    /// The answer to who asked for something to be done to an object.
    fn done() -> Self {
        let status =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Self { code: 201, body: Arc::new(status) }
    }
}

impl State {
    /// Does what one request asks, in one step: the state is never seen half written.
    pub(super) fn execute(&mut self, request: &Request) -> Result<Reply, ApiError> {
        if access::is_review(&request.target, request.verb) {
            return Ok(Reply { code: 201, body: Arc::new(access::review(&self.denied, request)?) });
        }
        let resource = find_resource(&self.store, &request.target)?;
        let subresource = check_target(&resource, request)?;
        if matches!(request.verb, Verb::Get | Verb::List) {
            return self.read(&resource, subresource, request);
        }
        let store = &mut self.store;
        match (subresource, request.verb) {
            (Some(Subresource::Binding), _) => {
                binding::bind_as_asked(store, &key_of(&resource, &request.target), request)?;
                Ok(Reply::done())
            }
            (Some(Subresource::Eviction), _) => {
                eviction::evict(store, &resource, &key_of(&resource, &request.target), request)?;
                Ok(Reply::done())
            }
            (_, Verb::Create) => {
                let write = write_of(store, resource, request, Operation::Update);
                Ok(Reply { code: 201, body: store.create(&write, request.json()?)? })
            }
            (_, Verb::Update) => {
                let write = write_of(store, resource, request, Operation::Update);
                Ok(Reply::ok(match subresource {
                    Some(Subresource::Scale) => Arc::new(store.update_scale(&write, request)?),
                    _ => store.update(&write, request.json()?)?,
                }))
            }
            (_, Verb::Patch) => patch(store, resource, subresource, request),
            (_, Verb::Delete) => delete(store, &resource, request),
            (_, Verb::DeleteCollection) => delete_collection(store, &resource, request),
            (_, Verb::Get | Verb::List | Verb::Watch) => Err(ApiError::method_not_allowed()),
        }
    }

    fn read(
        &self,
        resource: &Resource,
        subresource: Option<Subresource>,
        request: &Request,
    ) -> Result<Reply, ApiError> {
        let version = self.version_to_read(request)?;
        if request.verb == Verb::List {
            return Ok(Reply::ok(Arc::new(list(&self.store, resource, request, version)?)));
        }
        let key = key_of(resource, &request.target);
        Ok(Reply::ok(if subresource == Some(Subresource::Scale) {
            let owner = self.store.get_at(&key, version);
            let owner = owner
                .map_err(|_| ApiError::not_found(&key.group, &format!("{}/scale", key.plural), &key.name))?;
            Arc::new(scale_of(&owner))
        } else {
            self.store.get_at(&key, version)?
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

/// The subresource that a request is about, if it is about one.
fn check_target(resource: &Resource, request: &Request) -> Result<Option<Subresource>, ApiError> {
    let target = &request.target;
    let is_namespace_right = resource.namespaced || target.namespace.is_empty();
    let subresource = Subresource::of(resource, &target.subresource);
    if !is_namespace_right || (subresource.is_none() && !target.subresource.is_empty()) {
        return Err(ApiError::no_such_path());
    }
    let needs_namespace = resource.namespaced && !matches!(request.verb, Verb::List | Verb::Watch);
    if needs_namespace && target.namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    if subresource.is_some_and(|subresource| !subresource.allows(request.verb)) {
        return Err(ApiError::method_not_allowed());
    }
    Ok(subresource)
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

fn patch(
    store: &mut Store,
    resource: Arc<Resource>,
    subresource: Option<Subresource>,
    request: &Request,
) -> Result<Reply, ApiError> {
    let kind = match request.content_type.split(';').next().unwrap_or_default().trim() {
        "application/apply-patch+yaml" => return apply(store, resource, subresource, request),
        "application/merge-patch+json" => PatchKind::Merge,
        "application/json-patch+json" => PatchKind::Json,
        "application/strategic-merge-patch+json" if !resource.custom => PatchKind::Strategic,
        other => return Err(ApiError::unsupported_media_type(other)),
    };
    if request.query.flag("force") {
        let why = "Forbidden: may not be specified for non-apply patch".to_owned();
        return Err(ApiError::invalid(("meta.k8s.io", "PatchOptions"), "", &[("force".to_owned(), why)]));
    }
    let write = write_of(store, resource, request, Operation::Update);
    let patch = request.json()?;
    Ok(Reply::ok(match subresource {
        Some(Subresource::Scale) => Arc::new(store.patch_scale(&write, kind, &patch)?),
        _ => store.patch(&write, kind, &patch)?,
    }))
}

fn apply(
    store: &mut Store,
    resource: Arc<Resource>,
    subresource: Option<Subresource>,
    request: &Request,
) -> Result<Reply, ApiError> {
    if request.query.text("fieldManager").is_empty() {
        let why = "Required value: is required for apply patch".to_owned();
        return Err(ApiError::invalid(
            ("meta.k8s.io", "PatchOptions"),
            "",
            &[("fieldManager".to_owned(), why)],
        ));
    }
    let write = write_of(store, resource, request, Operation::Apply);
    // Clients written in Rust send the configuration as JSON, which is YAML too; other YAML is not read.
    let (configuration, force) = (request.json()?, request.query.flag("force"));
    if subresource == Some(Subresource::Scale) {
        return Ok(Reply::ok(Arc::new(store.apply_scale(&write, &configuration, force)?)));
    }
    let (body, created) = store.apply(&write, configuration, force)?;
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
