use crate::{
    http_client::digest_of,
    rig::{MANIFEST, Rig},
};

pub(super) async fn a_manifest_is_deleted_with_its_tags(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.push_image("latest", "layer").await;
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
    for reference in ["v1", "latest", &image.digest] {
        rig.manifest("GET", reference).await.refused(404, "MANIFEST_UNKNOWN");
    }
}

pub(super) async fn other_manifests_and_their_tags_stay(rig: &Rig) {
    let first = rig.push_image("v1", "first").await;
    let second = rig.push_image("v2", "second").await;
    rig.delete(&format!("manifests/{}", first.digest)).await.expect(202);
    assert_eq!(rig.manifest("GET", "v2").await.expect(200).body, second.manifest);
    assert_eq!(rig.tags().await, ["v2"]);
}

pub(super) async fn a_manifest_is_deleted_once(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    let rest = format!("manifests/{}", image.digest);
    rig.delete(&rest).await.expect(202);
    rig.delete(&rest).await.refused(404, "MANIFEST_UNKNOWN");
}

pub(super) async fn a_manifest_that_was_never_there_is_unknown(rig: &Rig) {
    let rest = format!("manifests/{}", digest_of(b"nowhere"));
    // In a repository that is not there either.
    rig.delete(&rest).await.refused(404, "MANIFEST_UNKNOWN");
    rig.push_image("v1", "layer").await;
    rig.delete(&rest).await.refused(404, "MANIFEST_UNKNOWN");
}

/// Version 3 deletes a tag, and leaves its manifest.
pub(super) async fn a_manifest_is_deleted_by_its_digest(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    let answer = rig.delete("manifests/v1").await;
    if answer.status == 202 && !rig.is_simulated() {
        rig.manifest("GET", "v1").await.refused(404, "MANIFEST_UNKNOWN");
    } else {
        answer.refused(400, "DIGEST_INVALID");
        rig.manifest("GET", "v1").await.expect(200);
    }
    rig.manifest("GET", &image.digest).await.expect(200);
}

pub(super) async fn a_deleted_manifest_may_be_put_again(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
    rig.put_manifest("v1", MANIFEST, &image.manifest).await.expect(201);
    assert_eq!(rig.manifest("GET", "v1").await.expect(200).body, image.manifest);
}

pub(super) async fn a_blob_is_deleted(rig: &Rig) {
    let rest = format!("blobs/{}", rig.push_blob(b"blob").await);
    rig.delete(&rest).await.expect(202);
    rig.get(&rest).await.refused(404, "BLOB_UNKNOWN");
    rig.head(&rest).await.expect(404);
}

pub(super) async fn a_blob_is_deleted_once(rig: &Rig) {
    let rest = format!("blobs/{}", rig.push_blob(b"blob").await);
    rig.delete(&rest).await.expect(202);
    rig.delete(&rest).await.refused(404, "BLOB_UNKNOWN");
    rig.beside().delete(&rest).await.refused(404, "BLOB_UNKNOWN");
}

pub(super) async fn a_blob_is_deleted_in_one_repository_only(rig: &Rig) {
    let beside = rig.beside();
    let rest = format!("blobs/{}", rig.push_blob(b"shared").await);
    beside.push_blob(b"shared").await;
    rig.delete(&rest).await.expect(202);
    rig.head(&rest).await.expect(404);
    assert_eq!(beside.get(&rest).await.expect(200).body, "shared");
}

pub(super) async fn a_deleted_blob_may_be_uploaded_again(rig: &Rig) {
    let rest = format!("blobs/{}", rig.push_blob(b"blob").await);
    rig.delete(&rest).await.expect(202);
    rig.push_blob(b"blob").await;
    assert_eq!(rig.get(&rest).await.expect(200).body, "blob");
}

pub(super) async fn a_manifest_of_a_deleted_blob_is_refused(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("blobs/{}", digest_of(&image.layer))).await.expect(202);
    rig.put_manifest("v1", MANIFEST, &image.manifest).await.refused(400, "MANIFEST_BLOB_UNKNOWN");
}

pub(super) async fn a_manifest_stays_when_its_blobs_are_deleted(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("blobs/{}", digest_of(&image.layer))).await.expect(202);
    rig.delete(&format!("blobs/{}", digest_of(&image.config))).await.expect(202);
    assert_eq!(rig.manifest("GET", "v1").await.expect(200).body, image.manifest);
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
}

pub(super) async fn the_blobs_stay_when_their_manifest_is_deleted(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
    assert_eq!(rig.get(&format!("blobs/{}", digest_of(&image.layer))).await.expect(200).body, "layer");
}

pub(super) async fn a_manifest_is_not_deleted_as_a_blob(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("blobs/{}", image.digest)).await.refused(404, "BLOB_UNKNOWN");
    rig.manifest("GET", &image.digest).await.expect(200);
}

pub(super) async fn a_repository_whose_tags_are_gone_has_an_empty_list(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
    assert!(rig.tags().await.is_empty());
}
