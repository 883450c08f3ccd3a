use std::sync::Arc;

use hyper::Method;
use ms2m::registry::report::{Pushed, TransferReport};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::{
    checkpoint_fixture::Checkpoint,
    command::{Node, Outcome, image_in},
    tiny_registry::{Access, Behaviour, Fault, TinyRegistry, sha256},
};

fn pushed(outcome: Outcome) -> Pushed {
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    match outcome.report {
        TransferReport::Pushed(pushed) => pushed,
        other => panic!("not pushed: {other:?}"),
    }
}

/// The registry serves the archive, byte by byte, under what was reported.
fn assert_served(registry: &TinyRegistry, node: &Node, pushed: &Pushed) {
    let (digest, manifest) = registry.manifest("ms2m-uid").expect("tagged");
    assert_eq!(digest, pushed.digest);
    assert_eq!(pushed.image, format!("{}/team/checkpoints@{digest}", registry.host()));
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("a manifest");
    let archive = std::fs::read(node.archive()).expect("an archive");
    assert_eq!(manifest["layers"][0]["digest"], sha256(&archive));
    assert_eq!(manifest["layers"][0]["size"], archive.len());
    assert_eq!(registry.blob(&sha256(&archive)), Some(archive));
    let config = registry.blob(manifest["config"]["digest"].as_str().expect("a digest")).expect("a config");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("a config");
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
    assert_eq!(manifest["annotations"]["org.criu.checkpoint.container.name"], "counter");
}

#[tokio::test]
async fn an_archive_becomes_an_image() {
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let node = Node::with_archive();
    let expectations = ["--expect-pod-uid", "pod-uid", "--expect-container-id", "containerd://5f1c"];
    let pushed = pushed(node.run(node.push(&registry, &expectations)).await);
    assert_served(&registry, &node, &pushed);
    assert_eq!(pushed.attempts, 1);
    assert_eq!(pushed.archive.container_id, "5f1c");
    assert_eq!(pushed.archive.base_image, "registry.example.com/counter@sha256:cd");
}

#[tokio::test]
async fn a_push_that_is_repeated_gives_the_same_image() {
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let node = Node::with_archive();
    let first = pushed(node.run(node.push(&registry, &[])).await);
    let second = pushed(node.run(node.push(&registry, &[])).await);
    assert_eq!(first.digest, second.digest);
}

#[tokio::test]
async fn the_newest_archive_is_found_without_its_path() {
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let node = Node::with_archive();
    let newest = Checkpoint::of("5f1c").at("2026-11-23T18:00:09Z");
    std::fs::write(node.path("some-other-name"), newest.bytes()).expect("written");
    let mut command =
        node.transfer(&["--plain-http", "--container", "counter", "--expect-container-id", "5f1c"]);
    command.arg("--newest-in").arg(node.folder.path()).arg("--image").arg(image_in(&registry));
    let pushed = pushed(node.run(command).await);
    assert_eq!(pushed.archive.checkpointed_at, Some("2026-11-23T18:00:09Z".parse().expect("a time stamp")));
}

#[tokio::test]
async fn the_push_secret_opens_protected_registries() {
    for access in [Access::Basic, Access::Token] {
        let registry = TinyRegistry::start(Behaviour { access, ..Behaviour::default() }).await;
        let node = Node::with_archive();
        let secret = node.right_secret(&registry);
        let pushed = pushed(node.run(node.push(&registry, &["--docker-config", &secret])).await);
        assert_served(&registry, &node, &pushed);
    }
}

#[tokio::test]
async fn a_layer_whose_upload_breaks_starts_again() {
    for fault in [Fault::Status(500, "oops"), Fault::HangUp, Fault::Status(429, "slow down")] {
        let faults = vec![(Method::PATCH, "/uploads/", fault)];
        let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
        let node = Node::with_archive();
        let pushed = pushed(node.run(node.push(&registry, &[])).await);
        assert_served(&registry, &node, &pushed);
        assert_eq!(pushed.attempts, 2, "{:?}", registry.log());
    }
}

#[tokio::test]
async fn a_layer_that_arrived_is_not_sent_again_for_its_manifests_sake() {
    let fault = Fault::Status(503, "not now");
    let faults = vec![(Method::PUT, "/manifests/", fault.clone()), (Method::HEAD, "/manifests/", fault)];
    let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let pushed = pushed(node.run(node.push(&registry, &[])).await);
    assert_served(&registry, &node, &pushed);
    assert_eq!(pushed.attempts, 1);
    assert_eq!(registry.count("PUT /v2/team/checkpoints/manifests/ms2m-uid"), 2);
}

#[tokio::test]
async fn a_registry_without_chunks_gets_the_layer_in_one_piece() {
    let behaviour = Behaviour { takes_chunks: false, access: Access::Token, ..Behaviour::default() };
    let registry = TinyRegistry::start(behaviour).await;
    let node = Node::with_archive();
    let secret = node.right_secret(&registry);
    let pushed = pushed(node.run(node.push(&registry, &["--docker-config", &secret])).await);
    assert_served(&registry, &node, &pushed);
    assert_eq!((pushed.attempts, registry.count("PATCH ")), (2, 1));
}

#[tokio::test]
async fn a_certificate_is_trusted_when_its_authority_is_named() {
    let (acceptor, authority) = tls();
    let registry = TinyRegistry::start(Behaviour { tls: Some(acceptor), ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let ca_file = node.path("ca.crt");
    std::fs::write(&ca_file, authority).expect("written");
    let push = |more: &[&str]| {
        let mut command = node.transfer(&["--container", "counter", "--image", &image_in(&registry)]);
        command.arg("--archive").arg(node.archive()).args(more);
        command
    };
    let untrusted = node.run(push(&[])).await;
    assert_eq!(untrusted.failure().0, "RegistryUntrusted", "{untrusted:?}");
    assert!(untrusted.failure().1.contains("--ca-file"), "{untrusted:?}");
    let pushed = pushed(node.run(push(&["--ca-file", &ca_file.display().to_string()])).await);
    assert_served(&registry, &node, &pushed);
}

/// A server certificate for `localhost`, and its authority in PEM form.
fn tls() -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("an authority");
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a configuration");
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}
