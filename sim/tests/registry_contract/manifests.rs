use serde_json::{Value, json};

use crate::{
    http_client::digest_of,
    rig::{INDEX, Image, MANIFEST, Rig, manifest},
};

/// A manifest whose blobs are there.
async fn ready(rig: &Rig) -> Value {
    rig.push_blob(b"config").await;
    rig.push_blob(b"layer").await;
    manifest(b"config", b"layer")
}

async fn put(rig: &Rig, tag: &str, manifest: &Value) -> crate::http_client::Answer {
    rig.put_manifest(tag, MANIFEST, manifest.to_string().as_bytes()).await
}

pub(super) async fn a_manifest_is_stored_under_its_tag_and_its_digest(rig: &Rig) {
    let manifest = ready(rig).await.to_string();
    let digest = digest_of(manifest.as_bytes());
    let answer = rig.put_manifest("v1", MANIFEST, manifest.as_bytes()).await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(answer.location(), rig.path(&format!("manifests/{digest}")));
    for reference in ["v1", &digest] {
        assert_eq!(rig.manifest("GET", reference).await.expect(200).body, manifest);
    }
}

pub(super) async fn a_manifest_may_have_no_tag(rig: &Rig) {
    let manifest = ready(rig).await.to_string();
    let digest = digest_of(manifest.as_bytes());
    rig.put_manifest(&digest, MANIFEST, manifest.as_bytes()).await.expect(201);
    assert_eq!(rig.manifest("GET", &digest).await.expect(200).body, manifest);
    rig.get("tags/list").await.refused(404, "NAME_UNKNOWN");
}

/// The specification has 404 for it; every version answers 400.
pub(super) async fn a_manifest_whose_blobs_are_not_there_is_refused(rig: &Rig) {
    let (image, named) = (Image::of("layer"), |errors: Vec<Value>| -> Vec<Value> {
        errors.iter().map(|error| error["detail"].clone()).collect()
    });
    let (config, layer) = (digest_of(&image.config), digest_of(&image.layer));
    let answer = rig.put_manifest("v1", MANIFEST, &image.manifest).await;
    let mut unknown = named(answer.refused(400, "MANIFEST_BLOB_UNKNOWN"));
    unknown.sort_by_key(|digest| digest != &json!(config));
    assert_eq!(unknown, [json!(config), json!(layer)]);
    rig.push_blob(&image.config).await;
    let answer = rig.put_manifest("v1", MANIFEST, &image.manifest).await;
    assert_eq!(named(answer.refused(400, "MANIFEST_BLOB_UNKNOWN")), [json!(layer)]);
    rig.push_blob(&image.layer).await;
    rig.put_manifest("v1", MANIFEST, &image.manifest).await.expect(201);
}

pub(super) async fn blobs_of_another_repository_do_not_count(rig: &Rig) {
    let image = rig.beside().push_image("v1", "layer").await;
    let answer = rig.put_manifest("v1", MANIFEST, &image.manifest).await;
    answer.refused(400, "MANIFEST_BLOB_UNKNOWN");
}

pub(super) async fn sizes_of_blobs_are_not_looked_at(rig: &Rig) {
    let mut manifest = ready(rig).await;
    manifest["layers"][0]["size"] = json!(99);
    put(rig, "v1", &manifest).await.expect(201);
}

pub(super) async fn a_manifest_under_another_digest_is_refused(rig: &Rig) {
    let manifest = ready(rig).await.to_string();
    let another = digest_of(b"another");
    rig.put_manifest(&another, MANIFEST, manifest.as_bytes()).await.refused(400, "DIGEST_INVALID");
    rig.manifest("GET", &digest_of(manifest.as_bytes())).await.refused(404, "MANIFEST_UNKNOWN");
}

pub(super) async fn what_is_no_json_is_no_manifest(rig: &Rig) {
    for body in ["", "nothing", "{\"schemaVersion\":2,"] {
        rig.put_manifest("v1", MANIFEST, body.as_bytes()).await.refused(400, "MANIFEST_INVALID");
    }
}

pub(super) async fn a_manifest_comes_with_its_media_type(rig: &Rig) {
    let manifest = ready(rig).await.to_string();
    rig.put_manifest("v1", "text/plain", manifest.as_bytes()).await.refused(400, "MANIFEST_INVALID");
    let path = rig.path("manifests/v1");
    rig.http.send("PUT", &path, &[], manifest.as_bytes()).await.refused(400, "MANIFEST_INVALID");
    let with_parameter = format!("{MANIFEST}; charset=utf-8");
    rig.put_manifest("v1", &with_parameter, manifest.as_bytes()).await.expect(201);
    assert_eq!(rig.manifest("GET", "v1").await.expect(200).header("content-type"), MANIFEST);
}

pub(super) async fn a_media_type_inside_has_to_be_that_outside(rig: &Rig) {
    let mut manifest = ready(rig).await;
    manifest["mediaType"] = json!(INDEX);
    put(rig, "v1", &manifest).await.refused(400, "MANIFEST_INVALID");
}

pub(super) async fn a_manifest_may_leave_its_media_type_out(rig: &Rig) {
    let mut manifest = ready(rig).await;
    manifest.as_object_mut().unwrap().remove("mediaType");
    put(rig, "v1", &manifest).await.expect(201);
    assert_eq!(rig.manifest("GET", "v1").await.expect(200).header("content-type"), MANIFEST);
}

pub(super) async fn an_oversized_manifest_is_refused(rig: &Rig) {
    let mut manifest = ready(rig).await.to_string();
    manifest.push_str(&" ".repeat((4 << 20) + 1 - manifest.len()));
    rig.put_manifest("v1", MANIFEST, manifest.as_bytes()).await.refused(400, "MANIFEST_INVALID");
    manifest.pop();
    rig.put_manifest("v1", MANIFEST, manifest.as_bytes()).await.expect(201);
}

pub(super) async fn a_manifest_may_be_put_twice(rig: &Rig) {
    let manifest = ready(rig).await;
    let first = put(rig, "v1", &manifest).await.expect(201);
    let second = put(rig, "v1", &manifest).await.expect(201);
    assert_eq!(first.header("docker-content-digest"), second.header("docker-content-digest"));
}

pub(super) async fn a_tag_moves_to_another_manifest(rig: &Rig) {
    let first = rig.push_image("v1", "first").await;
    let second = rig.push_image("v1", "second").await;
    assert_eq!(rig.manifest("GET", "v1").await.expect(200).body, second.manifest);
    assert_eq!(rig.manifest("GET", &first.digest).await.expect(200).body, first.manifest);
    assert_eq!(rig.tags().await, ["v1"]);
}

fn index_of(manifests: &[&str]) -> String {
    let manifests: Vec<Value> = manifests
        .iter()
        .map(|digest| {
            let platform = json!({ "architecture": "amd64", "os": "linux" });
            json!({ "mediaType": MANIFEST, "digest": digest, "size": 1, "platform": platform })
        })
        .collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string()
}

pub(super) async fn an_index_needs_its_manifests(rig: &Rig) {
    let image = Image::of("layer");
    let index = index_of(&[&image.digest]);
    let answer = rig.put_manifest("all", INDEX, index.as_bytes()).await;
    assert_eq!(answer.refused(400, "MANIFEST_BLOB_UNKNOWN")[0]["detail"], image.digest);
    rig.push_image("one", "layer").await;
    rig.put_manifest("all", INDEX, index.as_bytes()).await.expect(201);
    // Whoever wants a manifest is not given an index.
    rig.manifest("GET", "all").await.refused(404, "MANIFEST_UNKNOWN");
    let path = rig.path("manifests/all");
    let answer = rig.http.send("GET", &path, &[("accept", INDEX)], b"").await.expect(200);
    assert_eq!(answer.header("content-type"), INDEX);
    assert_eq!(answer.body, index);
}

pub(super) async fn an_index_may_be_empty(rig: &Rig) {
    rig.put_manifest("none", INDEX, index_of(&[]).as_bytes()).await.expect(201);
}
