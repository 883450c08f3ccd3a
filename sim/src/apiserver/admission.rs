use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        coordination::v1::Lease,
        core::v1::{ConfigMap, Node, Pod, Secret, Service, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    apps,
    error::ApiError,
    list_types,
    object::{child, items, meta, set_meta},
    resource::Resource,
    schema,
    store::Store,
    validation,
    violations::violations,
};

/// What the server makes of an object before it stores it for the first time: checks it, fills defaults in.
pub(super) fn on_create(store: &mut Store, resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    decode(resource, object)?;
    match resource.kind.as_str() {
        "Pod" => pod(store, object),
        "Job" => job(object),
        "Node" => node(object),
        kind @ ("Deployment" | "ReplicaSet" | "StatefulSet") => apps::default(kind, object),
        "Service" => service(store, object),
        "Secret" => secret(object),
        "Namespace" => namespace(object),
        "CustomResourceDefinition" => definition(store, object),
        _ => {}
    }
    refuse(resource, object, &validation::of_new(&resource.kind, object))?;
    custom(resource, object, None)
}

fn refuse(resource: &Resource, object: &Value, causes: &[(String, String)]) -> Result<(), ApiError> {
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(resource.group_kind(), meta(object, "name"), causes))
    }
}

/// The same for an object that is there already.
pub(super) fn on_update(resource: &Resource, live: &Value, object: &mut Value) -> Result<(), ApiError> {
    decode(resource, object)?;
    match resource.kind.as_str() {
        "Secret" => secret(object),
        "Pod" if mutable_parts_removed(&live["spec"]) != mutable_parts_removed(&object["spec"]) => {
            let why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, \
                       `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only \
                       additions to existing tolerations), `spec.terminationGracePeriodSeconds`";
            let cause = ("spec".to_owned(), why.to_owned());
            return Err(ApiError::invalid(resource.group_kind(), meta(live, "name"), &[cause]));
        }
        "Job" if live["spec"]["template"] != object["spec"]["template"] => {
            let cause = ("spec.template".to_owned(), "Invalid value: field is immutable".to_owned());
            return Err(ApiError::invalid(resource.group_kind(), meta(live, "name"), &[cause]));
        }
        _ => {}
    }
    refuse(resource, live, &validation::of_change(&resource.kind, live, object))?;
    custom(resource, object, Some(live))
}

/// Built-in kinds must decode as what they say they are, so that nothing behind this point meets a surprise; what they do
/// not know is dropped.
fn decode(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    fn as_kind<K: DeserializeOwned + Serialize>(object: &mut Value) -> Result<(), ApiError> {
        let refused =
            |error| ApiError::bad_request(format!("the object provided cannot be decoded: {error}"));
        let typed: K = K::deserialize(&*object).map_err(refused)?;
        drop_unknown(object, &serde_json::to_value(&typed).map_err(refused)?);
        Ok(())
    }
    match resource.kind.as_str() {
        "ConfigMap" => as_kind::<ConfigMap>(object),
        "CustomResourceDefinition" => as_kind::<CustomResourceDefinition>(object),
        "Deployment" => as_kind::<Deployment>(object),
        "Job" => as_kind::<Job>(object),
        "Lease" => as_kind::<Lease>(object),
        "Namespace" => as_kind::<k8s_openapi::api::core::v1::Namespace>(object),
        "Node" => as_kind::<Node>(object),
        "Pod" => as_kind::<Pod>(object),
        "ReplicaSet" => as_kind::<ReplicaSet>(object),
        "Secret" => as_kind::<Secret>(object),
        "Service" => as_kind::<Service>(object),
        "ServiceAccount" => as_kind::<ServiceAccount>(object),
        "StatefulSet" => as_kind::<StatefulSet>(object),
        "Event" if resource.group.is_empty() => as_kind::<k8s_openapi::api::core::v1::Event>(object),
        "Event" => as_kind::<k8s_openapi::api::events::v1::Event>(object),
        _ => Ok(()),
    }
}

/// Drops what is not in `known`; what says nothing may stay, because it need not be written.
fn drop_unknown(value: &mut Value, known: &Value) {
    match (value, known) {
        (Value::Object(fields), Value::Object(known)) => {
            let says_nothing = |value: &Value| match value {
                Value::Null => true,
                Value::Object(fields) => fields.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            fields.retain(|name, value| known.contains_key(name) || says_nothing(value));
            for (name, value) in fields.iter_mut() {
                if let Some(known) = known.get(name) {
                    drop_unknown(value, known);
                }
            }
        }
        (Value::Array(list), Value::Array(known)) => {
            list.iter_mut().zip(known).for_each(|(item, known)| drop_unknown(item, known));
        }
        _ => {}
    }
}

fn custom(resource: &Resource, object: &mut Value, live: Option<&Value>) -> Result<(), ApiError> {
    let Some(schema) = &resource.schema else { return Ok(()) };
    let mut fields = object.as_object().cloned().unwrap_or_default();
    let kept: Map<String, Value> =
        ["apiVersion", "kind", "metadata"].into_iter().filter_map(|name| fields.remove_entry(name)).collect();
    let mut rest = Value::Object(fields);
    schema::prune_and_default(schema, &mut rest);
    let mut causes = violations(schema, &rest, live);
    // A list that had something twice before may go on so.
    if list_types::are_in(schema) && live.is_none_or(|live| list_types::duplicates(schema, live).is_empty()) {
        causes.extend(list_types::duplicates(schema, &rest));
    }
    refuse(resource, object, &causes)?;
    if let Value::Object(mut rest) = rest {
        rest.extend(kept);
        *object = Value::Object(rest);
    }
    // Rules see what the schema has let through, defaults included.
    let broken = resource.rules.as_ref().map(|rules| rules.violations(object, live)).unwrap_or_default();
    refuse(resource, object, &broken)
}

pub(super) fn default_to(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.entry(name.to_owned()).or_insert(value);
}

fn pod(store: &mut Store, object: &mut Value) {
    pod_spec(child(object, "spec"));
    mount_token(store, child(object, "spec"));
    tolerate_absence(child(object, "spec"));
    object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
}

/// How long a pod stays on a node that is not ready, in seconds, when it says nothing about that.
const ABSENCE_TOLERATED_S: i64 = 300;

/// As the `DefaultTolerationSeconds` admission plugin does.
fn tolerate_absence(spec: &mut Map<String, Value>) {
    let mut tolerations = spec.get("tolerations").map_or(&[][..], items).to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_about = |toleration: &Value| {
            let (its, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
            (its == key || its.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !tolerations.iter().any(is_about) {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": ABSENCE_TOLERATED_S,
            }));
        }
    }
    spec.insert("tolerations".to_owned(), json!(tolerations));
}

/// As the `TaintNodesByCondition` admission plugin does: until its controller has heard that it is ready, it is not.
fn node(object: &mut Value) {
    let taint = json!({ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" });
    let spec = child(object, "spec");
    default_to(spec, "taints", json!([]));
    if let Some(taints) = spec.get_mut("taints").and_then(Value::as_array_mut)
        && !taints.contains(&taint)
    {
        taints.push(taint);
    }
}

/// The defaults of a pod, in a pod and in a template.
pub(super) fn pod_spec(spec: &mut Map<String, Value>) {
    default_to(spec, "restartPolicy", json!("Always"));
    default_to(spec, "terminationGracePeriodSeconds", json!(30));
    default_to(spec, "dnsPolicy", json!("ClusterFirst"));
    default_to(spec, "schedulerName", json!("default-scheduler"));
    default_to(spec, "enableServiceLinks", json!(true));
    default_to(spec, "serviceAccountName", json!("default"));
    default_to(spec, "securityContext", json!({}));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else { continue };
            default_to(container, "terminationMessagePath", json!("/dev/termination-log"));
            default_to(container, "terminationMessagePolicy", json!("File"));
            let policy = pull_policy(container.get("image").and_then(Value::as_str).unwrap_or_default());
            default_to(container, "imagePullPolicy", json!(policy));
            default_to(container, "resources", json!({}));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(port) = port.as_object_mut() {
                    default_to(port, "protocol", json!("TCP"));
                }
            }
        }
    }
}

/// An image without a tag or digest, or with the tag `latest`, is another one tomorrow.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_settled = name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if is_settled { "IfNotPresent" } else { "Always" }
}

const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// As the `ServiceAccount` admission plugin does: whoever copies a running pod's spec has to cope with this volume.
fn mount_token(store: &mut Store, spec: &mut Map<String, Value>) {
    if spec.get("automountServiceAccountToken") == Some(&json!(false)) {
        return;
    }
    let name = format!("kube-api-access-{}", store.identities.suffix());
    let mut mounted = false;
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if items(&container["volumeMounts"]).iter().any(|mount| mount["mountPath"] == TOKEN_FOLDER) {
                continue;
            }
            let Some(container) = container.as_object_mut() else { continue };
            default_to(container, "volumeMounts", json!([]));
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.push(json!({ "name": name, "mountPath": TOKEN_FOLDER, "readOnly": true }));
                mounted = true;
            }
        }
    }
    if !mounted {
        return;
    }
    default_to(spec, "volumes", json!([]));
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.push(json!({ "name": name, "projected": { "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "downwardAPI": { "items": [
                { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
            ] } },
        ] } }));
    }
}

fn mutable_parts_removed(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            fields.remove(field);
        }
        for list in ["containers", "initContainers"] {
            for container in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
    }
    spec
}

fn job(object: &mut Value) {
    let uid = meta(object, "uid").to_owned();
    let name = meta(object, "name").to_owned();
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    });
    let spec = child(object, "spec");
    default_to(spec, "backoffLimit", json!(6));
    default_to(spec, "completions", json!(1));
    default_to(spec, "parallelism", json!(1));
    default_to(spec, "completionMode", json!("NonIndexed"));
    default_to(spec, "suspend", json!(false));
    default_to(spec, "selector", json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } }));
    let mut template = spec.remove("template").unwrap_or(Value::Null);
    pod_spec(child(&mut template, "spec"));
    let mut template_labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    template_labels.extend(labels.as_object().cloned().unwrap_or_default());
    set_meta(&mut template, "labels", json!(template_labels));
    spec.insert("template".to_owned(), template);
    object["status"] = json!({});
}

fn service(store: &mut Store, object: &mut Value) {
    let draw = store.identities.octets();
    let spec = child(object, "spec");
    default_to(spec, "type", json!("ClusterIP"));
    default_to(spec, "sessionAffinity", json!("None"));
    default_to(spec, "clusterIP", json!(format!("10.96.{}.{}", draw.0, draw.1)));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let target = port["port"].clone();
        if let Some(port) = port.as_object_mut() {
            default_to(port, "protocol", json!("TCP"));
            default_to(port, "targetPort", target);
        }
    }
    object["status"] = json!({ "loadBalancer": {} });
}

fn secret(object: &mut Value) {
    let written = object["stringData"].take();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("stringData");
        default_to(fields, "type", json!("Opaque"));
    }
    for (name, text) in written.as_object().into_iter().flatten() {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        child(object, "data").insert(name.clone(), json!(encoded));
    }
}

fn namespace(object: &mut Value) {
    let name = meta(object, "name").to_owned();
    child(&mut object["metadata"], "labels").insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    child(object, "spec").insert("finalizers".to_owned(), json!(["kubernetes"]));
    object["status"] = json!({ "phase": "Active" });
}

fn definition(store: &Store, object: &mut Value) {
    let names = object["spec"]["names"].clone();
    let condition = |kind: &str, reason: &str| {
        json!({
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": "",
            "lastTransitionTime": store.stamp(),
        })
    };
    object["status"] = json!({
        "acceptedNames": names,
        "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
        "storedVersions": items(&object["spec"]["versions"])
            .iter()
            .filter(|version| version["storage"] == true)
            .map(|version| version["name"].clone())
            .collect::<Vec<_>>(),
    });
}
