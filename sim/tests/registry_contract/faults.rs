//! What the simulation can make of a request.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use ms2m_sim::registry::{Asked, Kind, Settings, Treat, Treatment};

use crate::{
    http_client::digest_of,
    rig::{BYTES, Case, Image, MANIFEST, Rig, finishing, simulated_with},
};

/// The first request of a kind is treated so, and all else is served.
struct Once(Kind, Treatment, AtomicBool);

impl Treat for Once {
    fn treat(&self, asked: &Asked) -> Treatment {
        let Self(kind, treatment, done) = self;
        if asked.what != *kind || done.swap(true, Ordering::Relaxed) {
            return Treatment::Serve;
        }
        *treatment
    }
}

fn once(kind: Kind, treatment: Treatment, case: Case) {
    simulated_with(Settings::default(), Once(kind, treatment, AtomicBool::new(false)), case);
}

const REFUSED: Treatment = Treatment::Refuse { status: 503, code: "UNAVAILABLE", message: "later" };

#[test]
fn a_refused_request_does_nothing() {
    once(Kind::Chunk, REFUSED, |rig| Box::pin(a_refused_chunk_is_sent_again(rig)));
}

async fn a_refused_chunk_is_sent_again(rig: &Rig) {
    let location = rig.start().await;
    let errors = rig.patch(&location, b"chunk").await.refused(503, "UNAVAILABLE");
    assert_eq!(errors[0]["message"], "later");
    rig.patch(&location, b"chunk").await.expect(202);
}

#[test]
fn a_broken_chunk_spoils_its_location() {
    once(Kind::Chunk, Treatment::BreakInBody, |rig| Box::pin(a_chunk_breaks(rig)));
}

async fn a_chunk_breaks(rig: &Rig) {
    let location = rig.start().await;
    assert!(rig.http.try_send("PATCH", &location, &[], b"chunk").await.is_none());
    rig.patch(&location, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.push_blob(b"chunk").await;
    assert_eq!(rig.store(|store| store.blobs().count()), 1);
}

#[test]
fn a_broken_body_makes_no_blob() {
    once(Kind::FinishUpload, Treatment::BreakInBody, |rig| Box::pin(a_blob_breaks(rig)));
}

async fn a_blob_breaks(rig: &Rig) {
    let path = finishing(&rig.start().await, &digest_of(b"blob"));
    assert!(rig.http.try_send("PUT", &path, &[("content-type", BYTES)], b"blob").await.is_none());
    assert_eq!(rig.store(|store| store.blobs().count()), 0);
    assert_eq!(rig.store(ms2m_sim::registry::Store::uploads_under_way), 1);
}

#[test]
fn a_broken_body_makes_no_manifest() {
    once(Kind::PutManifest, Treatment::BreakInBody, |rig| Box::pin(a_manifest_breaks(rig)));
}

async fn a_manifest_breaks(rig: &Rig) {
    let image = Image::of("layer");
    rig.push_blob(&image.config).await;
    rig.push_blob(&image.layer).await;
    let path = rig.path("manifests/v1");
    let answer = rig.http.try_send("PUT", &path, &[("content-type", MANIFEST)], &image.manifest).await;
    assert!(answer.is_none());
    assert_eq!(rig.store(|store| store.manifests().count()), 0);
    rig.put_manifest("v1", MANIFEST, &image.manifest).await.expect(201);
}

#[test]
fn a_lost_acknowledgement_of_a_manifest_leaves_the_manifest() {
    once(Kind::PutManifest, Treatment::ServeAndBreak, |rig| Box::pin(a_manifest_is_not_confirmed(rig)));
}

async fn a_manifest_is_not_confirmed(rig: &Rig) {
    let image = Image::of("layer");
    rig.push_blob(&image.config).await;
    rig.push_blob(&image.layer).await;
    let path = rig.path("manifests/v1");
    let answer = rig.http.try_send("PUT", &path, &[("content-type", MANIFEST)], &image.manifest).await;
    assert!(answer.is_none());
    let found = rig.store(|store| store.manifest(&rig.repository, "v1"));
    assert_eq!(found, Some((image.digest, image.manifest.into())));
}

#[test]
fn a_lost_acknowledgement_of_a_chunk_spoils_its_location() {
    once(Kind::Chunk, Treatment::ServeAndBreak, |rig| Box::pin(a_chunk_is_not_confirmed(rig)));
}

async fn a_chunk_is_not_confirmed(rig: &Rig) {
    let location = rig.start().await;
    assert!(rig.http.try_send("PATCH", &location, &[], b"chunk").await.is_none());
    rig.patch(&location, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
}

#[test]
fn a_lost_acknowledgement_of_a_deletion_leaves_nothing() {
    once(Kind::DeleteManifest, Treatment::ServeAndBreak, |rig| Box::pin(a_deletion_is_not_confirmed(rig)));
}

async fn a_deletion_is_not_confirmed(rig: &Rig) {
    let image = rig.push_image("v1", "layer").await;
    let path = rig.path(&format!("manifests/{}", image.digest));
    assert!(rig.http.try_send("DELETE", &path, &[], b"").await.is_none());
    rig.http.send("DELETE", &path, &[], b"").await.refused(404, "MANIFEST_UNKNOWN");
}

/// Fails at the first request that is not the step that is due.
struct InOrder(Mutex<Vec<Kind>>);

impl Treat for InOrder {
    fn treat(&self, asked: &Asked) -> Treatment {
        assert_eq!(Some(asked.what), self.0.lock().unwrap().pop(), "{asked:?}");
        Treatment::Serve
    }
}

#[test]
fn requests_are_told_apart_by_their_step() {
    let mut due = vec![
        Kind::Ping,
        Kind::StartUpload,
        Kind::Chunk,
        Kind::Other,
        Kind::FinishUpload,
        Kind::GetBlob,
        Kind::GetBlob,
        Kind::PutManifest,
        Kind::GetManifest,
        Kind::GetManifest,
        Kind::DeleteManifest,
        Kind::DeleteBlob,
        Kind::Other,
    ];
    due.reverse();
    simulated_with(Settings::default(), InOrder(Mutex::new(due)), |rig| Box::pin(every_step(rig)));
}

async fn every_step(rig: &Rig) {
    rig.http.send("GET", "/v2/", &[], b"").await;
    let location = rig.patch(&rig.start().await, b"blob").await.location();
    rig.session(&location).await;
    let digest = digest_of(b"blob");
    rig.finish(&location, &digest, b"").await;
    rig.head(&format!("blobs/{digest}")).await;
    rig.get(&format!("blobs/{digest}")).await;
    rig.put_manifest("v1", MANIFEST, b"").await;
    rig.manifest("HEAD", "v1").await;
    rig.manifest("GET", "v1").await;
    rig.delete("manifests/v1").await;
    rig.delete(&format!("blobs/{digest}")).await;
    rig.get("tags/list").await;
}
