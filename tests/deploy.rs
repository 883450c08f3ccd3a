//! The manifests in `deploy/`: the definition is the program's own, and what runs and what it may do stay as narrow as
//! they are meant to be.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

fn read(name: &str) -> String {
    let path = format!("{}/deploy/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every rule of every role, as (resource, verbs).
fn rights(rbac: &[Value]) -> Vec<(&str, Vec<&str>)> {
    let rules = rbac.iter().flat_map(|document| document["rules"].as_array().into_iter().flatten());
    rules
        .flat_map(|rule| strings(&rule["resources"]).into_iter().map(|name| (name, strings(&rule["verbs"]))))
        .collect()
}

#[test]
fn the_definition_is_the_programs_own() {
    let output = Command::new(env!("CARGO_BIN_EXE_ms2m")).arg("crd").output().expect("it runs");
    assert!(output.status.success());
    let generated = String::from_utf8(output.stdout).expect("text");
    // Not assert_eq: nobody reads two definitions side by side.
    assert!(
        generated == read("crd.yaml"),
        "regenerate it: cargo run --package ms2m -- crd > deploy/crd.yaml"
    );
}

#[test]
fn no_right_is_a_wildcard_and_secrets_are_only_read_by_name() {
    let rbac = documents("rbac.yaml");
    let rights = rights(&rbac);
    assert!(rights.len() > 10, "{rights:?}");
    for (resource, verbs) in &rights {
        assert!(!resource.contains('*') && !verbs.contains(&"*"), "{resource}: {verbs:?}");
        if *resource == "secrets" {
            assert_eq!(*verbs, ["get"]);
        }
        // Nodes have theirs, too, and whoever may write those can have a cluster evict every pod.
        if *resource == "leases" {
            let grants = |document: &&Value| document["rules"].to_string().contains("leases");
            assert!(rbac.iter().filter(grants).all(|role| role["kind"] == "Role"));
        }
        if resource.starts_with("nodes/") {
            assert_eq!(*verbs, ["create"], "{resource}");
        }
    }
}

#[test]
fn every_binding_is_of_a_role_that_exists_to_the_operators_account() {
    let (rbac, operator) = (documents("rbac.yaml"), documents("operator.yaml"));
    let named = |kind: &str| {
        let of_kind = rbac.iter().filter(move |document| document["kind"] == kind);
        of_kind.map(|document| document["metadata"]["name"].as_str().expect("a name")).collect::<Vec<_>>()
    };
    let accounts = named("ServiceAccount");
    for scope in ["ClusterRole", "Role"] {
        let (roles, kind) = (named(scope), format!("{scope}Binding"));
        let mut bindings = rbac.iter().filter(|document| document["kind"] == *kind).peekable();
        assert!(bindings.peek().is_some(), "{kind}");
        for binding in bindings {
            let role = binding["roleRef"]["name"].as_str().expect("a role");
            assert!(roles.contains(&role), "{role}");
            assert_eq!(binding["subjects"][0]["name"], accounts[0]);
        }
    }
    let deployment = operator.iter().find(|document| document["kind"] == "Deployment").expect("a Deployment");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], accounts[0]);
}

#[test]
fn the_operator_runs_with_no_privilege_and_a_memory_limit() {
    let operator = documents("operator.yaml");
    let deployment = operator.iter().find(|document| document["kind"] == "Deployment").expect("a Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(strings(&container["securityContext"]["capabilities"]["drop"]), ["ALL"]);
    assert!(container["resources"]["limits"]["memory"].is_string());
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"], "{probe}");
    }
    assert_eq!(container["args"], serde_json::json!(["operator"]));
    let variables = container["env"].as_array().expect("variables");
    let field = |variable: &Value| variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().map(str::to_owned);
    let told: Vec<String> = variables.iter().filter_map(field).collect();
    assert_eq!(told, ["metadata.name", "metadata.namespace"], "who holds the Lease, and where it is");
    let health = variables.iter().find(|variable| variable["name"] == "MS2M_HEALTH_ADDRESS");
    let address: SocketAddr =
        health.and_then(|it| it["value"].as_str()).expect("an address").parse().expect("an address");
    assert!(address.ip().is_unspecified(), "the kubelet asks at the pod's address");
    assert_eq!(container["ports"][0]["containerPort"], address.port(), "or nobody answers the probes");
}
