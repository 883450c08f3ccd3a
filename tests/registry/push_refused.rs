use std::{io::Write as _, sync::Arc};

use hyper::Method;
use ms2m::registry::report::{EXIT_PERMANENT, EXIT_TEMPORARY};

use crate::{
    checkpoint_fixture::Checkpoint,
    command::{Node, image_in},
    tiny_registry::{Access, Behaviour, Fault, TinyRegistry},
};

/// Every way to be refused for who one is: nothing arrives, and the message says what to mend.
#[tokio::test]
async fn credentials_that_are_missing_or_wrong() {
    for access in [Access::Basic, Access::Token] {
        let registry = TinyRegistry::start(Behaviour { access, ..Behaviour::default() }).await;
        let node = Node::with_archive();
        let wrong = node.push_secret(&registry, "wrong");
        for more in [&[][..], &["--docker-config", &wrong][..]] {
            let outcome = node.run(node.push(&registry, more)).await;
            let (reason, message) = outcome.failure();
            assert_eq!(reason, "RegistryUnauthorized", "{message}");
            assert!(message.contains("push Secret") && message.contains(&registry.host()), "{message}");
            assert!(!message.contains("wrong"), "the password is in {message}");
            assert_eq!(outcome.exit_code, i32::from(EXIT_PERMANENT));
        }
        assert!(registry.is_empty());
        assert_eq!(registry.count("PATCH "), 0);
    }
}

#[tokio::test]
async fn an_account_without_the_right_to_push() {
    let faults = vec![(Method::POST, "/uploads/", Fault::Status(403, "denied"))];
    let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let outcome = node.run(node.push(&registry, &[])).await;
    assert_eq!(outcome.failure().0, "RegistryForbidden", "{outcome:?}");
    assert_eq!(registry.count("POST "), 1, "a refusal is not repeated: {:?}", registry.log());
}

#[tokio::test]
async fn a_registry_that_never_recovers() {
    let fault = (Method::POST, "/uploads/", Fault::Status(502, "<html>bad gateway</html>"));
    let registry = TinyRegistry::start(Behaviour { faults: vec![fault; 100], ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let outcome = node.run(node.push(&registry, &[])).await;
    assert_eq!(outcome.failure().0, "RegistryUnavailable", "{outcome:?}");
    assert_eq!(outcome.exit_code, i32::from(EXIT_TEMPORARY));
    assert_eq!(registry.count("POST "), 4, "{:?}", registry.log());
}

#[tokio::test]
async fn a_registry_that_refuses_every_form() {
    let fault = (Method::POST, "/uploads/", Fault::Status(404, "no such repository"));
    let registry = TinyRegistry::start(Behaviour { faults: vec![fault; 100], ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let outcome = node.run(node.push(&registry, &[])).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "RegistryRejected", "{message}");
    assert!(message.contains("no such repository"), "{message}");
}

#[tokio::test]
async fn a_registry_that_is_not_there() {
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let node = Node::with_archive();
    let command = node.push(&registry, &[]);
    drop(registry);
    let outcome = node.run(command).await;
    assert_eq!(outcome.failure().0, "RegistryUnreachable", "{outcome:?}");
    assert_eq!(outcome.exit_code, i32::from(EXIT_TEMPORARY));
}

/// Nothing is sent before the archive is known to be whole and the right one.
#[tokio::test]
async fn an_archive_that_must_not_be_pushed() {
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let whole = Checkpoint::of("5f1c").bytes();
    let node = Node::with_archive();
    for (more, reason) in [
        (&["--expect-container-id", "another"], "ArchiveIdentityMismatch"),
        (&["--expect-pod-uid", "another"], "ArchiveIdentityMismatch"),
    ] {
        assert_eq!(node.run(node.push(&registry, more)).await.failure().0, reason);
    }
    std::fs::write(node.archive(), &whole[..whole.len() - 2048]).expect("written");
    assert_eq!(node.run(node.push(&registry, &[])).await.failure().0, "ArchiveIncomplete");
    std::fs::remove_file(node.archive()).expect("removed");
    assert_eq!(node.run(node.push(&registry, &[])).await.failure().0, "ArchiveMissing");
    assert_eq!(registry.log(), [""; 0]);
}

#[tokio::test]
async fn an_archive_that_is_overwritten_meanwhile_gets_no_manifest() {
    let node = Node::with_archive();
    let archive = node.archive();
    let overwrite = move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(&archive).expect("opened");
        file.write_all(&[1; 512]).expect("written");
    };
    let faults = vec![(Method::PATCH, "/uploads/", Fault::Meanwhile(Arc::new(overwrite)))];
    let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
    let outcome = node.run(node.push(&registry, &[])).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "ArchiveIncomplete", "{message}");
    assert!(message.contains("written to while it was read"), "{message}");
    assert_eq!(registry.manifest("ms2m-uid"), None);
}

#[tokio::test]
async fn options_that_make_no_sense_are_reported_too() {
    let node = Node::with_archive();
    let image = "registry.example.com/checkpoints:1";
    let outcome = node.run(node.delete(image, &[])).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "OptionsInvalid");
    assert!(message.contains("--plain-http"), "{message}");
}

#[tokio::test]
async fn a_silent_registry_costs_no_more_than_the_deadline() {
    let faults = vec![(Method::PATCH, "/uploads/", Fault::Silence)];
    let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let outcome = node.run(node.push(&registry, &["--timeout-seconds", "1"])).await;
    assert_eq!(outcome.failure(), ("DeadlineExceeded", "not finished within 1 s"));
    assert_eq!(outcome.exit_code, i32::from(EXIT_TEMPORARY));
}

#[tokio::test]
async fn a_signal_ends_it_at_once_and_with_a_report() {
    let (reached, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let faults = vec![
        (Method::POST, "/uploads/", Fault::Meanwhile(Arc::new(move || reached.send(()).expect("awaited")))),
        (Method::PATCH, "/uploads/", Fault::Silence),
    ];
    let registry = TinyRegistry::start(Behaviour { faults, ..Behaviour::default() }).await;
    let node = Node::with_archive();
    let child = node.push(&registry, &[]).spawn().expect("started");
    waiting.recv().await.expect("the upload began");
    let pid = child.id().expect("it runs").to_string();
    let killed = tokio::process::Command::new("sh")
        .args(["-c", &format!("kill -TERM {pid}")])
        .status()
        .await
        .expect("kill ran");
    assert!(killed.success());
    let outcome = node.outcome_of(child).await;
    assert_eq!(outcome.failure().0, "Interrupted");
    assert_eq!(outcome.exit_code, i32::from(EXIT_TEMPORARY));
    assert!(image_in(&registry).ends_with("ms2m-uid") && registry.manifest("ms2m-uid").is_none());
}
