//! What a Deployment, a `ReplicaSet` and a `StatefulSet` get and what they insist on. What their controllers do is no matter
//! of the API server's.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::Rig;

pub(super) const KINDS: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("ReplicaSet", "replicasets"), ("StatefulSet", "statefulsets")];

pub(super) fn owner(kind: &str, name: &str) -> Value {
    let mut owner = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
            },
        },
    });
    if kind == "StatefulSet" {
        owner["spec"]["serviceName"] = json!("a");
    }
    owner
}

async fn create(rig: &Rig, kind: &str, plural: &str) -> Value {
    rig.post(&rig.in_group("apps/v1", plural), owner(kind, "o")).await.object()
}

/// Checks that an owner that is changed so is invalid, and which field is.
async fn refuses(rig: &Rig, (kind, plural): (&str, &str), change: impl Fn(&mut Value), field: &str) {
    let mut bad = owner(kind, "bad");
    change(&mut bad);
    let refused = rig.post(&rig.in_group("apps/v1", plural), bad).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    let causes = refused.body["details"]["causes"].as_array().cloned().unwrap_or_default();
    assert!(causes.iter().any(|cause| cause["field"] == field), "{kind}: {causes:?}");
}

pub(super) async fn an_owner_wants_one_pod_unless_it_says_so(rig: &Rig) {
    for (kind, plural) in KINDS {
        let created = create(rig, kind, plural).await;
        assert_eq!(created["spec"]["replicas"], 1, "{kind}");
        assert_eq!(created["metadata"]["generation"], 1, "{kind}");
        let template = &created["spec"]["template"]["spec"];
        assert_eq!(
            (&template["restartPolicy"], &template["containers"][0]["imagePullPolicy"]),
            (&json!("Always"), &json!("IfNotPresent")),
            "{kind}"
        );
    }
}

pub(super) async fn a_stateful_sets_pods_come_in_order_unless_it_says_so(rig: &Rig) {
    let created = create(rig, "StatefulSet", "statefulsets").await;
    let spec = &created["spec"];
    assert_eq!(spec["podManagementPolicy"], "OrderedReady");
    assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
}

pub(super) async fn a_deployment_rolls_unless_it_says_so(rig: &Rig) {
    let created = create(rig, "Deployment", "deployments").await;
    let rolling = json!({"maxSurge": "25%", "maxUnavailable": "25%"});
    assert_eq!(created["spec"]["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    assert_eq!(created["spec"]["progressDeadlineSeconds"], 600);
}

pub(super) async fn an_owners_selector_matches_its_template(rig: &Rig) {
    for kind in KINDS {
        let other = |owner: &mut Value| owner["spec"]["template"]["metadata"]["labels"]["app"] = json!("b");
        refuses(rig, kind, other, "spec.template.metadata.labels").await;
    }
}

pub(super) async fn an_owners_pods_always_restart(rig: &Rig) {
    for kind in KINDS {
        let never = |owner: &mut Value| owner["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        refuses(rig, kind, never, "spec.template.spec.restartPolicy").await;
    }
}

/// Of a `StatefulSet` only younger servers ask it; 1.20 lets its controller find out.
pub(super) async fn a_deployment_needs_a_container(rig: &Rig) {
    for kind in KINDS.into_iter().filter(|(kind, _)| *kind != "StatefulSet") {
        let none = |owner: &mut Value| owner["spec"]["template"]["spec"]["containers"] = json!([]);
        refuses(rig, kind, none, "spec.template.spec.containers").await;
    }
}

pub(super) async fn an_owners_selector_is_settled(rig: &Rig) {
    for (kind, plural) in KINDS {
        let mut created = create(rig, kind, plural).await;
        for labels in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
            *created.pointer_mut(labels).expect("labels") = json!({"app": "b"});
        }
        let refused = rig.put(&rig.in_group("apps/v1", &format!("{plural}/o")), created).await;
        refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    }
}

pub(super) async fn an_owner_may_be_scaled_and_that_is_a_generation(rig: &Rig) {
    for (kind, plural) in KINDS {
        create(rig, kind, plural).await;
        let path = rig.in_group("apps/v1", &format!("{plural}/o"));
        let scaled = rig.merge(&path, json!({"spec": {"replicas": 3}})).await.object();
        assert_eq!((&scaled["spec"]["replicas"], &scaled["metadata"]["generation"]), (&json!(3), &json!(2)));
    }
}

pub(super) async fn the_status_of_an_owner_is_its_controllers(rig: &Rig) {
    for (kind, plural) in KINDS {
        let mut boast = owner(kind, "o");
        boast["status"] = json!({"replicas": 7});
        let created = rig.post(&rig.in_group("apps/v1", plural), boast).await.object();
        assert_ne!(created["status"]["replicas"], 7, "{kind}");
        let path = rig.in_group("apps/v1", &format!("{plural}/o/status"));
        let told =
            rig.merge(&path, json!({"status": {"replicas": 2}, "spec": {"replicas": 9}})).await.object();
        assert_eq!(
            (&told["status"]["replicas"], &told["spec"]["replicas"]),
            (&json!(2), &json!(1)),
            "{kind}"
        );
    }
}
