use hyper::Method;
use ms2m::registry::report::{Cleaned, EXIT_PERMANENT, ImageDeletion, TransferReport};

use crate::{
    checkpoint_fixture::Checkpoint,
    command::{Node, Outcome, image_in},
    tiny_registry::{Access, Behaviour, Fault, TinyRegistry},
};

fn cleaned(outcome: Outcome) -> Cleaned {
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    match outcome.report {
        TransferReport::Cleaned(cleaned) => cleaned,
        other => panic!("not cleaned: {other:?}"),
    }
}

/// A registry with a pushed image, and the image's reference by digest.
async fn with_image(behaviour: Behaviour, node: &Node) -> (TinyRegistry, String) {
    let registry = TinyRegistry::start(behaviour).await;
    let secret = node.right_secret(&registry);
    match node.run(node.push(&registry, &["--docker-config", &secret])).await.report {
        TransferReport::Pushed(pushed) => (registry, pushed.image),
        other => panic!("not pushed: {other:?}"),
    }
}

#[tokio::test]
async fn an_image_is_deleted_by_digest_or_tag_and_once() {
    for by_tag in [false, true] {
        for access in [Access::Open, Access::Basic, Access::Token] {
            let node = Node::with_archive();
            let (registry, digest) = with_image(Behaviour { access, ..Behaviour::default() }, &node).await;
            let image = if by_tag { image_in(&registry) } else { digest };
            let secret = node.right_secret(&registry);
            let first = cleaned(node.run(node.delete(&image, &["--docker-config", &secret])).await);
            assert_eq!((first.image, first.blobs_deleted), (Some(ImageDeletion::Deleted), 2));
            assert!(registry.is_empty(), "the layer holds a process's memory: {:?}", registry.log());
            let again = cleaned(node.run(node.delete(&image, &["--docker-config", &secret])).await);
            assert_eq!((again.image, again.blobs_deleted), (Some(ImageDeletion::AlreadyGone), 0));
        }
    }
}

#[tokio::test]
async fn a_registry_that_does_not_delete_is_named() {
    let node = Node::with_archive();
    let (_registry, image) = with_image(Behaviour { deletes: false, ..Behaviour::default() }, &node).await;
    let outcome = node.run(node.delete(&image, &[])).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "DeletionUnsupported", "{message}");
    assert_eq!(outcome.exit_code, i32::from(EXIT_PERMANENT));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let node = Node::with_archive();
    let faults = vec![(Method::DELETE, "/manifests/", Fault::Status(403, "no right to delete"))];
    let (_registry, image) = with_image(Behaviour { faults, ..Behaviour::default() }, &node).await;
    assert_eq!(node.run(node.delete(&image, &[])).await.failure().0, "RegistryForbidden");

    let (registry, image) =
        with_image(Behaviour { access: Access::Token, ..Behaviour::default() }, &node).await;
    let wrong = node.push_secret(&registry, "wrong");
    for more in [&[][..], &["--docker-config", &wrong][..]] {
        assert_eq!(node.run(node.delete(&image, more)).await.failure().0, "RegistryUnauthorized");
    }
}

#[tokio::test]
async fn archives_go_even_when_the_registry_fails() {
    let node = Node::with_archive();
    std::fs::write(node.path("of-another.tar"), Checkpoint::of("another").bytes()).expect("written");
    let registry = TinyRegistry::start(Behaviour::default()).await;
    let image = image_in(&registry);
    drop(registry);
    let folder = node.folder.path().display().to_string();
    let archives = ["--delete-archives", "--dir", &folder, "--container-id", "containerd://5f1c"];
    let outcome = node.run(node.delete(&image, &archives)).await;
    assert_eq!(outcome.failure().0, "RegistryUnreachable");
    assert!(!node.archive().exists() && node.path("of-another.tar").exists());
}

#[tokio::test]
async fn archives_are_deleted_without_a_registry() {
    let node = Node::with_archive();
    let folder = node.folder.path().display().to_string();
    for expected in [1, 0] {
        let command =
            node.transfer(&["--delete-archives", "--dir", &folder, "--container-id", "containerd://5f1c"]);
        let cleaned = cleaned(node.run(command).await);
        assert_eq!((cleaned.archives_deleted, cleaned.image), (expected, None));
    }
    assert!(!node.archive().exists());
}
