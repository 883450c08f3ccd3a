use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    error::ApiError,
    object::{finalizers, is_terminating, items, meta, seconds, set_meta},
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

impl DeleteOptions {
    pub(super) fn read(body: &Value, query: &Query) -> Result<Self, ApiError> {
        let text = |field: &str| {
            let value = body[field].as_str().unwrap_or_else(|| query.text(field));
            (!value.is_empty()).then(|| value.to_owned())
        };
        let from_query = query.number("gracePeriodSeconds")?.and_then(|seconds| i64::try_from(seconds).ok());
        let precondition = |field: &str| body["preconditions"][field].as_str().map(str::to_owned);
        let propagation = match text("propagationPolicy").as_deref() {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                return Err(ApiError::bad_request(format!("invalid propagationPolicy: {other}")));
            }
        };
        Ok(Self {
            grace_seconds: body["gracePeriodSeconds"].as_i64().or(from_query),
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            propagation,
            dry_run: query.text("dryRun") == "All" || items(&body["dryRun"]).iter().any(|one| one == "All"),
        })
    }

    /// As a controller deletes: at once, the dependents in the background.
    pub(super) fn background() -> Self {
        Self { propagation: Some(Propagation::Background), ..Self::default() }
    }

    fn check(&self, key: &Key, object: &Value) -> Result<(), ApiError> {
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

    /// The policy that holds; a Job's dependents are orphaned unless the client says otherwise, as ever since `batch/v1`.
    fn effective_propagation(&self, resource: &Resource) -> Propagation {
        self.propagation.unwrap_or(if resource.kind == "Job" {
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
        let propagation = options.effective_propagation(resource);
        if propagation == Propagation::Foreground && !is_terminating(&object) && self.has_dependents(&object)
        {
            let mut held = finalizers(&object);
            held.push(FOREGROUND_FINALIZER.to_owned());
            set_meta(&mut object, "finalizers", json!(held));
        }
        self.mark_terminating(&mut object, grace);
        if options.dry_run {
            return Ok(Deletion::Begun(Arc::new(object)));
        }
        if propagation == Propagation::Orphan {
            self.orphan_dependents(meta(&live, "uid"));
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

    fn has_dependents(&self, owner: &Value) -> bool {
        let uid = meta(owner, "uid");
        self.all().any(|(_, object)| is_owned_by(object, uid))
    }

    fn orphan_dependents(&mut self, uid: &str) {
        let owned: Vec<(Key, Arc<Value>)> = self
            .all()
            .filter(|(_, object)| is_owned_by(object, uid))
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        for (key, object) in owned {
            let mut object = Value::clone(&object);
            let left: Vec<Value> = items(&object["metadata"]["ownerReferences"])
                .iter()
                .filter(|reference| reference["uid"] != uid)
                .cloned()
                .collect();
            set_meta(&mut object, "ownerReferences", if left.is_empty() { Value::Null } else { json!(left) });
            self.commit(key, object);
        }
    }
}

/// Whether an object names the owner with this uid.
pub(super) fn is_owned_by(object: &Value, uid: &str) -> bool {
    items(&object["metadata"]["ownerReferences"]).iter().any(|reference| reference["uid"] == uid)
}
