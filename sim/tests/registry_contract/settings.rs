//! What a registry is set to. A real one would have to be started anew for each.

use ms2m_sim::registry::{AlwaysServe, Deletion, Settings};

use crate::{
    http_client::digest_of,
    rig::{Rig, simulated_with},
};

#[test]
fn blobs_may_be_left_to_a_garbage_collection() {
    let settings = Settings { deletion: Deletion::Manifests, ..Settings::default() };
    simulated_with(settings, AlwaysServe, |rig| Box::pin(only_the_manifest_goes(rig)));
}

async fn only_the_manifest_goes(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    let layer = digest_of(&image.layer);
    rig.delete(&format!("blobs/{layer}")).await.refused(405, "UNSUPPORTED");
    rig.delete(&format!("manifests/{}", image.digest)).await.expect(202);
    rig.head(&format!("blobs/{layer}")).await.expect(200);
}

#[test]
fn deletion_may_be_off() {
    let settings = Settings { deletion: Deletion::Nothing, ..Settings::default() };
    simulated_with(settings, AlwaysServe, |rig| Box::pin(nothing_goes(rig)));
}

async fn nothing_goes(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    rig.delete(&format!("blobs/{}", digest_of(&image.layer))).await.refused(405, "UNSUPPORTED");
    rig.delete(&format!("manifests/{}", image.digest)).await.refused(405, "UNSUPPORTED");
    rig.manifest("GET", "v1").await.expect(200);
}

#[test]
fn locations_may_be_whole_urls() {
    let settings = Settings { whole_locations: true, ..Settings::default() };
    simulated_with(settings, AlwaysServe, |rig| Box::pin(locations_are_whole(rig)));
}

async fn locations_are_whole(rig: &Rig) {
    let answer = rig.http.send("POST", &rig.path("blobs/uploads/"), &[], b"").await.expect(202);
    assert!(answer.header("location").starts_with("http://registry:5000/v2/"), "{answer:?}");
    rig.finish(&answer.location(), &digest_of(b"blob"), b"blob").await.expect(201);
}
