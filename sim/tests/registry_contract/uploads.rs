use crate::{
    http_client::digest_of,
    rig::{BYTES, Rig},
};

pub(super) async fn an_upload_begins_with_a_session(rig: &Rig) {
    let answer = rig.http.send("POST", &rig.path("blobs/uploads/"), &[], b"").await.expect(202);
    let session = answer.header("docker-upload-uuid");
    assert!(answer.location().starts_with(&rig.path(&format!("blobs/uploads/{session}?_state="))));
    assert_eq!(answer.header("range"), "0-0");
    assert!(answer.body.is_empty());
}

pub(super) async fn a_session_takes_chunks_and_tells_what_it_has(rig: &Rig) {
    let first = rig.patch_range(&rig.start().await, "0-4", b"hello").await.expect(202);
    assert_eq!(first.header("range"), "0-4");
    let second = rig.patch_range(&first.location(), "5-10", b" world").await.expect(202);
    assert_eq!(second.header("range"), "0-10");
    assert_eq!(second.header("docker-upload-uuid"), first.header("docker-upload-uuid"));
    let digest = digest_of(b"hello world");
    let last = rig.finish(&second.location(), &digest, b"").await.expect(201);
    assert_eq!(last.header("docker-content-digest"), digest);
    assert_eq!(last.location(), rig.path(&format!("blobs/{digest}")));
    assert_eq!(rig.get(&format!("blobs/{digest}")).await.expect(200).body, "hello world");
}

pub(super) async fn every_chunk_changes_the_location(rig: &Rig) {
    let mut locations = vec![rig.start().await];
    for chunk in [b"one", b"two", b"six"] {
        let next = rig.patch(&locations[locations.len() - 1], chunk).await.expect(202).location();
        assert!(!locations.contains(&next));
        locations.push(next);
    }
}

pub(super) async fn a_session_is_asked_what_it_has(rig: &Rig) {
    let location = rig.start().await;
    assert_eq!(rig.session(&location).await.expect(204).header("range"), "0-0");
    let location = rig.patch(&location, b"hello").await.expect(202).location();
    let asked = rig.session(&location).await.expect(204);
    assert_eq!(asked.header("range"), "0-4");
    rig.finish(&asked.location(), &digest_of(b"hello"), b"").await.expect(201);
}

pub(super) async fn a_session_may_take_the_whole_blob_with_its_digest(rig: &Rig) {
    let digest = digest_of(b"whole");
    let answer = rig.finish(&rig.start().await, &digest, b"whole").await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(rig.get(&format!("blobs/{digest}")).await.expect(200).body, "whole");
}

pub(super) async fn the_last_chunk_may_come_with_the_digest(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"hello ").await.expect(202).location();
    let digest = digest_of(b"hello world");
    rig.finish(&location, &digest, b"world").await.expect(201);
    assert_eq!(rig.get(&format!("blobs/{digest}")).await.expect(200).body, "hello world");
}

pub(super) async fn a_blob_may_be_empty(rig: &Rig) {
    let digest = rig.push_blob(b"").await;
    let answer = rig.get(&format!("blobs/{digest}")).await.expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("0", 0));
}

pub(super) async fn a_location_without_its_query_is_good_for_nothing(rig: &Rig) {
    let location = rig.start().await;
    let path = location.split('?').next().unwrap();
    rig.patch(path, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.finish(path, &digest_of(b"chunk"), b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.session(path).await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.patch(&format!("{path}?_state=another"), b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
}

pub(super) async fn a_location_is_good_for_one_chunk(rig: &Rig) {
    let location = rig.start().await;
    rig.patch(&location, b"chunk").await.expect(202);
    rig.patch(&location, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.session(&location).await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.finish(&location, &digest_of(b"chunk"), b"").await.refused(404, "BLOB_UPLOAD_INVALID");
}

pub(super) async fn a_stale_location_does_not_end_the_session(rig: &Rig) {
    let stale = rig.start().await;
    let location = rig.patch(&stale, b"chunk").await.expect(202).location();
    rig.patch(&stale, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
    rig.finish(&location, &digest_of(b"chunk"), b"").await.expect(201);
}

pub(super) async fn a_location_is_good_for_its_repository_only(rig: &Rig) {
    let beside = rig.beside();
    let elsewhere = rig.start().await.replace(&rig.path(""), &beside.path(""));
    beside.patch(&elsewhere, b"chunk").await.refused(404, "BLOB_UPLOAD_INVALID");
}

pub(super) async fn sessions_are_told_apart(rig: &Rig) {
    let (one, other) = (rig.start().await, rig.start().await);
    assert_ne!(one, other);
    let one = rig.patch(&one, b"one").await.expect(202).location();
    let other = rig.patch(&other, b"other").await.expect(202).location();
    rig.finish(&one, &digest_of(b"one"), b"").await.expect(201);
    rig.finish(&other, &digest_of(b"other"), b"").await.expect(201);
}

pub(super) async fn a_chunk_needs_no_range(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"hello ").await.expect(202).location();
    // Nor a content type.
    let answer = rig.http.send("PATCH", &location, &[], b"world").await.expect(202);
    assert_eq!(answer.header("range"), "0-10");
}

/// Version 2.8 puts it where the session is, and tells so.
pub(super) async fn a_chunk_out_of_order_is_refused(rig: &Rig) {
    let location = rig.patch_range(&rig.start().await, "0-4", b"hello").await.expect(202).location();
    let answer = rig.patch_range(&location, "7-11", b"world").await;
    if answer.status == 202 && !rig.is_simulated() {
        assert_eq!(answer.header("range"), "0-9");
        return;
    }
    answer.refused(416, "RANGE_INVALID");
    assert_eq!(rig.session(&location).await.expect(204).header("range"), "0-4");
    rig.patch_range(&location, "5-9", b"world").await.expect(202);
}

/// Version 2.8 does not compare them.
pub(super) async fn a_chunk_that_is_not_as_long_as_its_range_is_refused(rig: &Rig) {
    let answer = rig.patch_range(&rig.start().await, "0-9", b"hello").await;
    if answer.status == 202 && !rig.is_simulated() {
        assert_eq!(answer.header("range"), "0-4");
        return;
    }
    answer.refused(400, "SIZE_INVALID");
    let whole = format!("0-{}", u64::MAX);
    rig.patch_range(&rig.start().await, &whole, b"hello").await.refused(400, "SIZE_INVALID");
    rig.patch_range(&rig.start().await, "0-0", b"").await.refused(400, "SIZE_INVALID");
}

pub(super) async fn a_chunk_of_another_content_type_is_refused(rig: &Rig) {
    let location = rig.start().await;
    let answer = rig.http.send("PATCH", &location, &[("content-type", "text/plain")], b"hello").await;
    answer.refused(500, "UNKNOWN");
    assert_eq!(rig.session(&location).await.expect(204).header("range"), "0-0");
}

pub(super) async fn a_blob_is_not_finished_without_its_digest(rig: &Rig) {
    let location = rig.start().await;
    rig.http.send("PUT", &location, &[], b"blob").await.refused(400, "DIGEST_INVALID");
    for digest in ["", "nothing", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        rig.finish(&location, digest, b"blob").await.refused(400, "DIGEST_INVALID");
    }
    // Nothing of it was taken.
    rig.finish(&location, &digest_of(b"blob"), b"blob").await.expect(201);
}

pub(super) async fn another_digest_than_that_of_the_bytes_is_refused(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"blob").await.expect(202).location();
    let wrong = digest_of(b"another");
    rig.finish(&location, &wrong, b"").await.refused(400, "DIGEST_INVALID");
    rig.head(&format!("blobs/{wrong}")).await.expect(404);
    // The session is still there.
    rig.finish(&location, &wrong, b" and more").await.refused(400, "DIGEST_INVALID");
    // And now it has more than this location knows of.
    rig.finish(&location, &digest_of(b"blob"), b"").await.refused(404, "BLOB_UPLOAD_INVALID");
}

pub(super) async fn an_upload_is_finished_once(rig: &Rig) {
    let location = rig.start().await;
    let digest = digest_of(b"blob");
    rig.finish(&location, &digest, b"blob").await.expect(201);
    rig.finish(&location, &digest, b"blob").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    rig.session(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    rig.head(&format!("blobs/{digest}")).await.expect(200);
}

pub(super) async fn an_upload_may_be_cancelled(rig: &Rig) {
    let location = rig.patch(&rig.start().await, b"blob").await.expect(202).location();
    rig.http.send("DELETE", &location, &[], b"").await.expect(204);
    rig.session(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    rig.patch(&location, b"more").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    rig.http.send("DELETE", &location, &[], b"").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
}

pub(super) async fn a_blob_may_be_uploaded_twice(rig: &Rig) {
    assert_eq!(rig.push_blob(b"twice").await, rig.push_blob(b"twice").await);
}

pub(super) async fn a_blob_may_be_mounted_from_another_repository(rig: &Rig) {
    let beside = rig.beside();
    let digest = beside.push_blob(b"theirs").await;
    let path = rig.path(&format!("blobs/uploads/?mount={digest}&from={}", beside.repository));
    let answer = rig.http.send("POST", &path, &[], b"").await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(answer.location(), rig.path(&format!("blobs/{digest}")));
    assert_eq!(rig.get(&format!("blobs/{digest}")).await.expect(200).body, "theirs");
}

pub(super) async fn what_cannot_be_mounted_is_uploaded(rig: &Rig) {
    let beside = rig.beside();
    let there = beside.push_blob(b"there").await;
    let nowhere = digest_of(b"nowhere");
    for query in [
        format!("mount={nowhere}&from={}", beside.repository),
        format!("mount={there}&from={}-not-there", beside.repository),
        format!("mount={there}"),
        format!("mount=nothing&from={}", beside.repository),
    ] {
        let path = rig.path(&format!("blobs/uploads/?{query}"));
        let location = rig.http.send("POST", &path, &[], b"").await.expect(202).location();
        rig.finish(&location, &digest_of(b"sent"), b"sent").await.expect(201);
    }
}

/// Version 2.8 starts a session, whatever comes with the request.
pub(super) async fn a_post_with_a_digest_takes_the_blob_or_starts_a_session(rig: &Rig) {
    let digest = digest_of(b"at once");
    let path = rig.path(&format!("blobs/uploads/?digest={digest}"));
    let answer = rig.http.send("POST", &path, &[("content-type", BYTES)], b"at once").await;
    if answer.status == 202 && !rig.is_simulated() {
        rig.finish(&answer.location(), &digest, b"at once").await.expect(201);
    } else {
        let answer = answer.expect(201);
        assert_eq!(answer.header("docker-content-digest"), digest);
        let wrong = rig.path(&format!("blobs/uploads/?digest={}", digest_of(b"another")));
        rig.http.send("POST", &wrong, &[], b"at once").await.refused(400, "DIGEST_INVALID");
    }
    assert_eq!(rig.get(&format!("blobs/{digest}")).await.expect(200).body, "at once");
}
