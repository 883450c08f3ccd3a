use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    admission,
    apply::apply,
    error::ApiError,
    object::{finalizers, is_terminating, meta, same_but_for, same_content, set_finalizers, set_meta},
    ownership::{Operation, Ownership, Writer, owned_difference, owned_fields},
    patch::{PatchKind, patched},
    resource::Resource,
    store::{Key, Store},
};

/// One write, as far as it is the same for all kinds of writes.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) resource: Arc<Resource>,
    pub(super) key: Key,
    /// Empty for the object itself, or `status` or `scale`.
    pub(super) subresource: String,
    pub(super) writer: Writer,
    /// Answer as if, and write nothing.
    pub(super) dry_run: bool,
}

/// Metadata that only the server sets.
const SERVER_METADATA: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
];

impl Store {
    pub(super) fn create(&mut self, write: &Write, object: Value) -> Result<Arc<Value>, ApiError> {
        let mut write = write.clone();
        let mut object = self.named(&mut write, object)?;
        let key = &write.key;
        if self.get(key).is_some() {
            return Err(ApiError::already_exists(&key.group, &key.plural, &key.name));
        }
        if !meta(&object, "resourceVersion").is_empty() {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        self.check_namespace(&write)?;
        let applied = owned_fields(&write.resource, &object);
        self.stamp_new(&write.resource, &mut object);
        admission::on_create(self, &write.resource, &mut object)?;

        let mut ownership = Ownership::default();
        let difference = owned_difference(&write.resource, &json!({}), &object);
        match write.writer.operation {
            Operation::Apply => {
                ownership.record_apply(&write.resource, &write.writer, applied, &difference);
            }
            Operation::Update => ownership.record_update(&write.resource, &write.writer, &difference),
        }
        ownership.write(&mut object);
        if write.dry_run {
            return Ok(Arc::new(object));
        }
        if write.resource.kind == "CustomResourceDefinition" {
            self.catalogue.define(&object).map_err(ApiError::bad_request)?;
        }
        Ok(self.commit(write.key, object))
    }

    /// Settles name and namespace of a new object, and that it is of the kind that the path says.
    fn named(&mut self, write: &mut Write, mut object: Value) -> Result<Value, ApiError> {
        check_shape(&write.resource, &mut object)?;
        if !write.key.name.is_empty() && meta(&object, "name").is_empty() {
            set_meta(&mut object, "name", json!(write.key.name));
        }
        let mut name = meta(&object, "name").to_owned();
        if name.is_empty() {
            let prefix = meta(&object, "generateName").to_owned();
            if prefix.is_empty() {
                let cause = (
                    "metadata.name".to_owned(),
                    "Required value: name or generateName is required".to_owned(),
                );
                return Err(ApiError::invalid(write.resource.group_kind(), "", &[cause]));
            }
            name = format!("{prefix}{}", self.identities.suffix());
            set_meta(&mut object, "name", json!(name));
        }
        if !write.key.name.is_empty() && write.key.name != name {
            return Err(ApiError::bad_request("the name of the object does not match the name on the URL"));
        }
        if !is_valid_name(&name) {
            let why = format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
            );
            return Err(ApiError::invalid(
                write.resource.group_kind(),
                &name,
                &[("metadata.name".to_owned(), why)],
            ));
        }
        let namespace = meta(&object, "namespace");
        if !namespace.is_empty() && namespace != write.key.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if write.resource.namespaced {
            set_meta(&mut object, "namespace", json!(write.key.namespace));
        }
        write.key.name = name;
        Ok(object)
    }

    fn check_namespace(&self, write: &Write) -> Result<(), ApiError> {
        if !write.resource.namespaced {
            return Ok(());
        }
        let name = write.key.namespace.as_str();
        let key = Key {
            group: String::new(),
            plural: "namespaces".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        if is_terminating(&*self.get_existing(&key)?) {
            let message = format!(
                "{} \"{}\" is forbidden: unable to create new content in namespace {name} because it is being terminated",
                write.resource.plural, write.key.name
            );
            return Err(ApiError::new(403, "Forbidden", message));
        }
        Ok(())
    }

    fn stamp_new(&mut self, resource: &Resource, object: &mut Value) {
        set_meta(object, "uid", json!(self.identities.uid()));
        set_meta(object, "creationTimestamp", json!(self.stamp()));
        set_meta(object, "deletionTimestamp", Value::Null);
        set_meta(object, "deletionGracePeriodSeconds", Value::Null);
        set_meta(object, "managedFields", Value::Null);
        let generation = if object["spec"].is_object() { json!(1) } else { Value::Null };
        set_meta(object, "generation", generation);
        // A kubelet registers its Node with a status; everything else starts without one.
        if resource.status
            && resource.kind != "Node"
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
    }

    pub(super) fn update(&mut self, write: &Write, mut object: Value) -> Result<Arc<Value>, ApiError> {
        check_shape(&write.resource, &mut object)?;
        let live = self.get_existing(&write.key)?;
        let name = meta(&object, "name");
        if !name.is_empty() && name != write.key.name {
            return Err(ApiError::bad_request("the name of the object does not match the name on the URL"));
        }
        if write.resource.custom && meta(&object, "resourceVersion").is_empty() {
            let cause = (
                "metadata.resourceVersion".to_owned(),
                "Invalid value: 0: must be specified for an update".to_owned(),
            );
            return Err(ApiError::invalid(write.resource.group_kind(), &write.key.name, &[cause]));
        }
        self.replace(write, &live, object)
    }

    pub(super) fn patch(
        &mut self,
        write: &Write,
        kind: PatchKind,
        patch: &Value,
    ) -> Result<Arc<Value>, ApiError> {
        let live = self.get_existing(&write.key)?;
        let mut object = patched(&write.resource, &live, kind, patch)?;
        check_shape(&write.resource, &mut object)?;
        for (field, expected) in [("name", &write.key.name), ("namespace", &write.key.namespace)] {
            if meta(&object, field) != expected {
                let message = format!("the {field} of the object does not match the {field} on the URL");
                return Err(ApiError::bad_request(message));
            }
        }
        self.replace(write, &live, object)
    }

    /// Server-side apply; creates the object when it is absent. The flag says whether it did.
    pub(super) fn apply(
        &mut self,
        write: &Write,
        mut configuration: Value,
        force: bool,
    ) -> Result<(Arc<Value>, bool), ApiError> {
        check_shape(&write.resource, &mut configuration)?;
        if !super::object::items(&configuration["metadata"]["managedFields"]).is_empty() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let Some(live) = self.get(&write.key).cloned() else {
            if !write.subresource.is_empty() {
                return Err(ApiError::not_found(&write.key.group, &write.key.plural, &write.key.name));
            }
            if !meta(&configuration, "resourceVersion").is_empty() || !meta(&configuration, "uid").is_empty()
            {
                return Err(ApiError::stale(&write.key.group, &write.key.plural, &write.key.name));
            }
            return Ok((self.create(write, configuration)?, true));
        };
        check_preconditions(write, &live, &configuration)?;
        restrict_to_subresource(write, &mut configuration);
        let mut merged = apply(&write.resource, &live, &configuration, &write.writer, force)?;
        set_meta(&mut merged, "resourceVersion", json!(meta(&live, "resourceVersion")));
        Ok((self.replace(write, &live, merged)?, false))
    }

    /// A controller's write: past the checks that guard clients' writes, owned by the controller all the same.
    pub(super) fn rewrite(
        &mut self,
        key: &Key,
        manager: &str,
        subresource: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let (Some(live), Some(resource)) =
            (self.get(key).cloned(), self.catalogue.get(&key.group, &key.plural).cloned())
        else {
            return;
        };
        let mut object = Value::clone(&live);
        change(&mut object);
        if same_content(&live, &object) {
            return;
        }
        let writer = Writer {
            manager: manager.to_owned(),
            operation: Operation::Update,
            subresource: subresource.to_owned(),
            time: self.stamp(),
        };
        let mut ownership = Ownership::read(&live);
        ownership.record_update(&resource, &writer, &owned_difference(&resource, &live, &object));
        ownership.write(&mut object);
        if is_ready_to_go(&resource, &object) {
            self.remove(key, object);
        } else {
            self.commit(key.clone(), object);
        }
    }

    /// A controller is done with an object that its finalizer held back.
    pub(super) fn take_finalizer(&mut self, key: &Key, manager: &str, finalizer: &str) {
        self.rewrite(key, manager, "", |object| {
            let mut left = finalizers(object);
            left.retain(|one| one != finalizer);
            set_finalizers(object, left);
        });
    }

    /// The common end of update, patch and apply.
    pub(super) fn replace(
        &mut self,
        write: &Write,
        live: &Arc<Value>,
        proposed: Value,
    ) -> Result<Arc<Value>, ApiError> {
        check_preconditions(write, live, &proposed)?;
        let resource = &write.resource;
        let mut object = carried_over(write, live, proposed);
        drop_nulls_of(resource, &mut object);
        admission::on_update(resource, live, &mut object)?;
        check_finalizers(write, live, &object)?;
        if write.writer.operation == Operation::Update {
            let mut ownership = Ownership::read(live);
            let difference = owned_difference(resource, live, &object);
            ownership.record_update(resource, &write.writer, &difference);
            ownership.write(&mut object);
        }
        if same_content(live, &object)
            && live["metadata"]["managedFields"] == object["metadata"]["managedFields"]
        {
            return Ok(live.clone());
        }
        if is_new_generation(resource, live, &object) {
            let generation = live["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
            set_meta(&mut object, "generation", json!(generation));
        }
        if write.dry_run {
            return Ok(Arc::new(object));
        }
        if resource.kind == "CustomResourceDefinition" {
            self.catalogue.define(&object).map_err(ApiError::bad_request)?;
        }
        if is_ready_to_go(resource, &object) {
            return Ok(self.remove(&write.key, object));
        }
        Ok(self.commit(write.key.clone(), object))
    }
}

/// A write that names a version or a uid means that one only.
fn check_preconditions(write: &Write, live: &Value, proposed: &Value) -> Result<(), ApiError> {
    let key = &write.key;
    let version = meta(proposed, "resourceVersion");
    if !version.is_empty() && version != meta(live, "resourceVersion") {
        return Err(ApiError::stale(&key.group, &key.plural, &key.name));
    }
    let uid = meta(proposed, "uid");
    if !uid.is_empty() && uid != meta(live, "uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            meta(live, "uid")
        );
        return Err(ApiError::conflict(&key.group, &key.plural, &key.name, &why));
    }
    Ok(())
}

/// Whether nothing holds a terminating object back any more.
pub(super) fn is_ready_to_go(resource: &Resource, object: &Value) -> bool {
    is_terminating(object)
        && finalizers(object).is_empty()
        && object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0
        && resource.kind != "Namespace"
}

/// The object must be one, of the kind that the path names.
fn check_shape(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the body of the request is no object"));
    }
    drop_nulls_of(resource, object);
    let metadata = &object["metadata"];
    if !(metadata.is_null() || metadata.is_object()) {
        return Err(ApiError::bad_request("metadata is no object"));
    }
    for (field, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match object[field].as_str() {
            None => object[field] = json!(expected),
            Some(given) if given == expected => {}
            Some(given) => {
                let message =
                    format!("the {field} in the data ({given}) does not match the expected one ({expected})");
                return Err(ApiError::bad_request(message));
            }
        }
    }
    Ok(())
}

/// To a built-in kind an explicit null is a field that is not there; what it is to a custom one, its schema says.
fn drop_nulls_of(resource: &Resource, object: &mut Value) {
    if resource.schema.is_none() {
        super::object::drop_nulls(object);
    } else {
        super::object::drop_nulls(&mut object["metadata"]);
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
    }
}

/// What a write through a subresource, or past it, cannot touch is taken from the live object.
fn carried_over(write: &Write, live: &Value, proposed: Value) -> Value {
    let mut object = proposed;
    if write.subresource == "status" {
        let status = object["status"].take();
        let managed = object["metadata"]["managedFields"].take();
        object = live.clone();
        object["status"] = status;
        set_meta(&mut object, "managedFields", managed);
    } else if write.resource.status {
        object["status"] = live["status"].clone();
    }
    for field in SERVER_METADATA {
        set_meta(&mut object, field, live["metadata"][*field].clone());
    }
    object["apiVersion"] = live["apiVersion"].clone();
    object["kind"] = live["kind"].clone();
    object
}

/// An applied configuration owns only what its endpoint can write.
fn restrict_to_subresource(write: &Write, configuration: &mut Value) {
    let Some(fields) = configuration.as_object_mut() else { return };
    if write.subresource == "status" {
        fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
        let name = configuration["metadata"]["name"].take();
        configuration["metadata"] = json!({ "name": name });
    } else if write.resource.status {
        fields.remove("status");
    }
}

fn check_finalizers(write: &Write, live: &Value, object: &Value) -> Result<(), ApiError> {
    if !is_terminating(live) {
        return Ok(());
    }
    let before = finalizers(live);
    let added: Vec<String> = finalizers(object).into_iter().filter(|one| !before.contains(one)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let why = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
    );
    Err(ApiError::invalid(
        write.resource.group_kind(),
        &write.key.name,
        &[("metadata.finalizers".to_owned(), why)],
    ))
}

/// Whether what somebody wants of the object has changed, and not only what is said about it.
fn is_new_generation(resource: &Resource, live: &Value, object: &Value) -> bool {
    if live["metadata"]["generation"].is_null() {
        return false;
    }
    let apart: &[&str] = if resource.status { &["metadata", "status"] } else { &["metadata"] };
    !same_but_for(apart, live, object)
}

fn is_valid_name(name: &str) -> bool {
    let is_inner =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_outer =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(|byte| is_inner(*byte))
        && is_outer(bytes.first())
        && is_outer(bytes.last())
}
