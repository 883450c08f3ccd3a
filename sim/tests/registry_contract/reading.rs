use crate::{
    http_client::digest_of,
    rig::{BYTES, MANIFEST, Rig},
};

pub(super) async fn a_manifest_is_served_byte_for_byte(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    for reference in ["v1", &image.digest] {
        let answer = rig.manifest("GET", reference).await.expect(200);
        assert_eq!(answer.body, image.manifest);
        assert_eq!(answer.header("content-type"), MANIFEST);
        assert_eq!(answer.header("docker-content-digest"), image.digest);
        assert_eq!(answer.header("content-length"), image.manifest.len().to_string());
    }
}

pub(super) async fn asking_for_the_head_of_a_manifest_tells_its_length_type_and_digest(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    for reference in ["v1", &image.digest] {
        let answer = rig.manifest("HEAD", reference).await.expect(200);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("content-type"), MANIFEST);
        assert_eq!(answer.header("docker-content-digest"), image.digest);
        assert_eq!(answer.header("content-length"), image.manifest.len().to_string());
    }
}

pub(super) async fn a_client_that_does_not_accept_the_media_type_gets_nothing(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    for reference in ["v1", &image.digest] {
        rig.get(&format!("manifests/{reference}")).await.refused(404, "MANIFEST_UNKNOWN");
        for accepted in ["*/*", "application/json", "application/vnd.docker.distribution.manifest.v2+json"] {
            let path = rig.path(&format!("manifests/{reference}"));
            let answer = rig.http.send("GET", &path, &[("accept", accepted)], b"").await;
            answer.refused(404, "MANIFEST_UNKNOWN");
        }
    }
}

pub(super) async fn a_media_type_may_be_accepted_among_others(rig: &Rig) {
    rig.push_image("v1", "layer").await;
    let path = rig.path("manifests/v1");
    let accepted = format!("application/json, {MANIFEST};q=0.5");
    rig.http.send("GET", &path, &[("accept", &accepted)], b"").await.expect(200);
    let several = [("accept", "application/json"), ("accept", MANIFEST)];
    rig.http.send("GET", &path, &several, b"").await.expect(200);
}

pub(super) async fn a_manifest_that_is_not_there_is_unknown(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.manifest("GET", "v2").await.refused(404, "MANIFEST_UNKNOWN");
    rig.manifest("GET", &digest_of(b"another")).await.refused(404, "MANIFEST_UNKNOWN");
    rig.manifest("HEAD", "v2").await.expect(404);
    let beside = rig.beside();
    beside.manifest("GET", "v1").await.refused(404, "MANIFEST_UNKNOWN");
    beside.manifest("GET", &image.digest).await.refused(404, "MANIFEST_UNKNOWN");
}

pub(super) async fn a_blob_is_served_with_its_digest(rig: &Rig) {
    let digest = rig.push_blob(b"blob").await;
    let answer = rig.get(&format!("blobs/{digest}")).await.expect(200);
    assert_eq!(answer.body, "blob");
    assert_eq!(answer.header("content-type"), BYTES);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(answer.header("content-length"), "4");
}

pub(super) async fn asking_for_the_head_of_a_blob_tells_its_length_and_digest(rig: &Rig) {
    let digest = rig.push_blob(b"blob").await;
    let answer = rig.head(&format!("blobs/{digest}")).await.expect(200);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(answer.header("content-length"), "4");
}

pub(super) async fn a_blob_that_is_not_there_is_unknown(rig: &Rig) {
    let digest = digest_of(b"nowhere");
    let errors = rig.get(&format!("blobs/{digest}")).await.refused(404, "BLOB_UNKNOWN");
    assert_eq!(errors[0]["detail"], digest);
    rig.head(&format!("blobs/{digest}")).await.expect(404);
}

pub(super) async fn a_blob_is_in_its_repository_only(rig: &Rig) {
    let digest = rig.push_blob(b"blob").await;
    rig.beside().get(&format!("blobs/{digest}")).await.refused(404, "BLOB_UNKNOWN");
}

pub(super) async fn a_manifest_is_no_blob(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.get(&format!("blobs/{}", image.digest)).await.refused(404, "BLOB_UNKNOWN");
}

pub(super) async fn what_is_no_digest_is_the_digest_of_nothing(rig: &Rig) {
    let capital = format!("sha256:{}", "A".repeat(64));
    for digest in ["sha256:abc", &capital, "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        rig.get(&format!("blobs/{digest}")).await.refused(400, "DIGEST_INVALID");
    }
}

pub(super) async fn tags_are_listed(rig: &Rig) {
    rig.push_image("v2", "second").await;
    rig.push_image("v1", "first").await;
    rig.push_image("latest", "second").await;
    assert_eq!(rig.tags().await, ["latest", "v1", "v2"]);
}

pub(super) async fn a_repository_that_never_had_a_tag_has_no_list(rig: &Rig) {
    rig.get("tags/list").await.refused(404, "NAME_UNKNOWN");
    rig.push_blob(b"blob").await;
    rig.get("tags/list").await.refused(404, "NAME_UNKNOWN");
}
