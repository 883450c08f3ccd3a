use crate::{
    http_client::digest_of,
    rig::{BYTES, Image, MANIFEST, Rig, finishing},
};

pub(super) async fn a_chunk_that_breaks_off_spoils_its_location(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"whole").await.expect(202).location();
    rig.http.break_off("PATCH", &location, BYTES, b"hal", 6).await;
    rig.patch(&location, b"halves").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.session(&location).await.refused(404, "BLOB_UPLOAD_INVALID");
}

pub(super) async fn a_chunk_of_which_nothing_came_leaves_its_location_good(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"whole").await.expect(202).location();
    rig.http.break_off("PATCH", &location, BYTES, b"", 6).await;
    rig.patch(&location, b" again").await.expect(202);
}

pub(super) async fn a_last_request_that_breaks_off_stores_no_blob(rig: &Rig) {
    let (location, digest) = (rig.start().await, digest_of(b"blob"));
    rig.http.break_off("PUT", &finishing(&location, &digest), BYTES, b"bl", 4).await;
    rig.head(&format!("blobs/{digest}")).await.expect(404);
    rig.head(&format!("blobs/{}", digest_of(b"bl"))).await.expect(404);
    rig.finish(&location, &digest, b"blob").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.push_blob(b"blob").await;
}

pub(super) async fn a_manifest_that_breaks_off_is_not_stored(rig: &Rig) {
    let image = Image::of("layer");
    rig.push_blob(&image.config).await;
    rig.push_blob(&image.layer).await;
    let (begun, _) = image.manifest.split_at(image.manifest.len() / 2);
    rig.http.break_off("PUT", &rig.path("manifests/broken"), MANIFEST, begun, image.manifest.len()).await;
    rig.manifest("GET", "broken").await.refused(404, "MANIFEST_UNKNOWN");
    rig.manifest("GET", &image.digest).await.refused(404, "MANIFEST_UNKNOWN");
}
