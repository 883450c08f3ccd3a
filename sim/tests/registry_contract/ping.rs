use crate::rig::Rig;

pub(super) async fn the_registry_says_which_version_of_the_protocol_it_speaks(rig: &Rig) {
    for method in ["GET", "HEAD"] {
        let answer = rig.http.send(method, "/v2/", &[], b"").await.expect(200);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        assert!(answer.header("content-type").starts_with("application/json"));
    }
}

pub(super) async fn what_no_path_is_about_is_not_found(rig: &Rig) {
    for path in ["/v2/nothing", "/v2/manifests/latest", "/v3/"] {
        rig.http.send("GET", path, &[], b"").await.expect(404);
    }
    for rest in ["nothing", "blobs/nothing", "manifests/not!a!tag", "manifests/.tag", "blobs/uploads/a%20b"] {
        rig.get(rest).await.expect(404);
    }
}

pub(super) async fn a_name_with_capital_letters_is_no_repository(rig: &Rig) {
    rig.http.send("GET", "/v2/team/Image/tags/list", &[], b"").await.expect(404);
    rig.http.send("POST", "/v2/team/Image/blobs/uploads/", &[], b"").await.expect(404);
}

pub(super) async fn a_name_may_have_many_parts(rig: &Rig) {
    let mut rig = rig.beside();
    rig.repository += "/manifests/a.b_c__d--e/blobs";
    let image = rig.push_image("uploads", "in a repository with a long name").await;
    assert_eq!(rig.manifest("GET", "uploads").await.expect(200).body, image.manifest);
}

pub(super) async fn a_method_that_a_path_does_not_serve_is_not_allowed(rig: &Rig) {
    let digest = rig.push_blob(b"of which there is a path").await;
    for (method, rest) in
        [("POST", "manifests/latest"), ("PUT", &format!("blobs/{digest}")), ("DELETE", "tags/list")]
    {
        let answer = rig.http.send(method, &rig.path(rest), &[], b"").await.expect(405);
        assert!(answer.header("allow").contains("GET"), "{answer:?}");
    }
}

pub(super) async fn a_path_without_its_last_slash_is_redirected(rig: &Rig) {
    assert_eq!(rig.http.send("GET", "/v2", &[], b"").await.expect(301).location(), "/v2/");
    let path = rig.path("blobs/uploads");
    let answer = rig.http.send("POST", &path, &[], b"").await.expect(301);
    assert_eq!(answer.location(), format!("{path}/"));
}
