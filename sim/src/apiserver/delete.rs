use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    error::ApiError,
    object::{finalizers, is_terminating, items, meta, seconds, set_finalizers, set_meta},
    request::Query,
    resource::Resource,
    store::{Key, Store},
    write::is_ready_to_go,
};

/// `DeleteOptions`, from the body or from the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DeleteOptions {
    grace_seconds: Option<i64>,
    uid: Option<String>,
    resource_version: Option<String>,
    propagation: Option<Propagation>,
    dry_run: bool,
}

/// What becomes of the objects that a deleted object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    /// They stay, without an owner.
    Orphan,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
}

/// Holds an owner back until its dependents are gone.
pub(super) const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// Holds an owner back until its dependents have forgotten it.
pub(super) const ORPHAN_FINALIZER: &str = "orphan";
/// Holds a definition back until the objects of its kind are gone.
const INSTANCES_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

impl DeleteOptions {
    /// From the body of the request; where there is none, from its query.
    pub(super) fn read(body: Option<&Value>, query: &Query) -> Result<Self, ApiError> {
        let given = match body {
            Some(body) => body.clone(),
            None => json!({
                "gracePeriodSeconds": query.number("gracePeriodSeconds")?,
                "propagationPolicy": query.text("propagationPolicy"),
                "dryRun": [query.text("dryRun")],
            }),
        };
        let precondition = |field: &str| given["preconditions"][field].as_str().map(str::to_owned);
        let propagation = match given["propagationPolicy"].as_str() {
            None | Some("") => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let why = format!(
                    "Unsupported value: \"{other}\": supported values: \"Foreground\", \"Background\", \"Orphan\""
                );
                return Err(ApiError::invalid(
                    ("meta.k8s.io", "DeleteOptions"),
                    "",
                    &[("propagationPolicy".to_owned(), why)],
                ));
            }
        };
        Ok(Self {
            grace_seconds: given["gracePeriodSeconds"].as_i64(),
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            propagation,
            dry_run: items(&given["dryRun"]).iter().any(|one| one == "All"),
        })
    }

    /// At once, and nobody is waited for.
    pub(super) fn forced() -> Self {
        Self { grace_seconds: Some(0), ..Self::background() }
    }

    /// As a controller deletes: at once, the dependents in the background.
    pub(super) fn background() -> Self {
        Self::propagating(Propagation::Background)
    }

    /// As the garbage collector deletes.
    pub(super) fn propagating(propagation: Propagation) -> Self {
        Self { propagation: Some(propagation), ..Self::default() }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The same for an object that is known to be the one that is meant.
    pub(super) fn without_preconditions(self) -> Self {
        Self { uid: None, resource_version: None, ..self }
    }

    /// Whether the object is the one that is meant.
    pub(super) fn check(&self, key: &Key, object: &Value) -> Result<(), ApiError> {
        for (what, wanted, field) in
            [("UID", &self.uid, "uid"), ("ResourceVersion", &self.resource_version, "resourceVersion")]
        {
            let found = meta(object, field);
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                let why = format!(
                    "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
                );
                return Err(ApiError::conflict(&key.group, &key.plural, &key.name, &why));
            }
        }
        Ok(())
    }

    /// The policy that holds: what the client says, else what an earlier deletion said, else the kind's own; a Job's
    /// dependents are orphaned, as ever since `batch/v1`.
    fn effective_propagation(&self, resource: &Resource, object: &Value) -> Propagation {
        let held = finalizers(object);
        let is_held = |by: &str| held.iter().any(|one| one == by);
        self.propagation.unwrap_or(if is_held(ORPHAN_FINALIZER) {
            Propagation::Orphan
        } else if is_held(FOREGROUND_FINALIZER) {
            Propagation::Foreground
        } else if resource.kind == "Job" {
            Propagation::Orphan
        } else {
            Propagation::Background
        })
    }

    /// How long the kubelet may take; only pods that run somewhere get time.
    fn effective_grace(&self, resource: &Resource, object: &Value) -> i64 {
        let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if resource.kind != "Pod" || object["spec"]["nodeName"].as_str().is_none_or(str::is_empty) || ended {
            return 0;
        }
        let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
        self.grace_seconds.unwrap_or(own).max(0)
    }
}

/// What a deletion came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deletion {
    /// The object is gone; its last state.
    Gone(Arc<Value>),
    /// Something has to happen first: a grace period, a finalizer.
    Begun(Arc<Value>),
}

impl Store {
    pub(super) fn delete(
        &mut self,
        resource: &Resource,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Deletion, ApiError> {
        let live = self.get_existing(key)?;
        options.check(key, &live)?;
        let mut object = Value::clone(&live);
        let grace = options.effective_grace(resource, &object);
        hold_for_dependents(&mut object, options.effective_propagation(resource, &live));
        self.mark_terminating(&mut object, grace);
        if options.dry_run {
            return Ok(Deletion::Begun(Arc::new(object)));
        }
        if resource.kind == "CustomResourceDefinition" && !self.delete_instances(&object) {
            let mut held = finalizers(&object);
            held.retain(|one| one != INSTANCES_FINALIZER);
            held.push(INSTANCES_FINALIZER.to_owned());
            set_finalizers(&mut object, held);
        }
        if is_ready_to_go(resource, &object) {
            return Ok(Deletion::Gone(self.remove(key, object)));
        }
        if resource.kind == "Namespace" {
            object["status"]["phase"] = json!("Terminating");
        }
        if object == *live {
            return Ok(Deletion::Begun(live));
        }
        Ok(Deletion::Begun(self.commit(key.clone(), object)))
    }

    /// Sets the deletion time once; a later, shorter grace period brings it forward, a longer one changes nothing.
    fn mark_terminating(&self, object: &mut Value, grace: i64) {
        let now = self.now();
        let after = |from: Timestamp| from.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(from);
        let present = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
        if is_terminating(object) && present.is_some_and(|present| present <= grace) {
            return;
        }
        if !is_terminating(object)
            && let Some(generation) = object["metadata"]["generation"].as_i64()
        {
            set_meta(object, "generation", json!(generation + 1));
        }
        set_meta(object, "deletionTimestamp", json!(seconds(after(now))));
        set_meta(object, "deletionGracePeriodSeconds", json!(grace));
    }

    /// Deletes all objects of a defined kind. True when none is left.
    fn delete_instances(&mut self, definition: &Value) -> bool {
        let Some(resource) = self.defined(definition) else { return true };
        let keys: Vec<Key> =
            self.entries(&resource.group, &resource.plural, "").map(|(key, _)| key.clone()).collect();
        let mut is_empty = true;
        for key in keys {
            let gone = self.delete(&resource, &key, &DeleteOptions::background());
            is_empty &= matches!(gone, Ok(Deletion::Gone(_)));
        }
        is_empty
    }

    fn defined(&self, definition: &Value) -> Option<Arc<Resource>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &definition["spec"];
        self.catalogue.get(&text(&spec["group"]), &text(&spec["names"]["plural"])).cloned()
    }

    /// Takes the finalizers off the definitions that wait for the last object of their kind.
    pub(super) fn release_definitions(&mut self) {
        let waiting: Vec<Key> = self
            .entries("apiextensions.k8s.io", "customresourcedefinitions", "")
            .filter(|(_, object)| {
                is_terminating(object) && finalizers(object).iter().any(|one| one == INSTANCES_FINALIZER)
            })
            .filter(|(_, object)| {
                let defined = self.defined(object);
                defined.is_none_or(|kind| self.entries(&kind.group, &kind.plural, "").next().is_none())
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            self.take_finalizer(&key, "kube-apiserver", INSTANCES_FINALIZER);
        }
    }
}

/// Puts the finalizer on by which the garbage collector knows what to do with the dependents.
fn hold_for_dependents(object: &mut Value, propagation: Propagation) {
    let mut held = finalizers(object);
    held.retain(|one| one != FOREGROUND_FINALIZER && one != ORPHAN_FINALIZER);
    match propagation {
        Propagation::Foreground => held.push(FOREGROUND_FINALIZER.to_owned()),
        Propagation::Orphan => held.push(ORPHAN_FINALIZER.to_owned()),
        Propagation::Background => {}
    }
    set_finalizers(object, held);
}

/// Whether an object names the owner with this uid.
pub(super) fn is_owned_by(object: &Value, uid: &str) -> bool {
    items(&object["metadata"]["ownerReferences"]).iter().any(|reference| reference["uid"] == uid)
}
