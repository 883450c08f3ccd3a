use k8s_openapi::api::{
    authorization::v1::SelfSubjectAccessReview,
    core::v1::{Pod, Secret},
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

use super::{
    objects::from,
    world::{client, client_named, server, status},
};
use crate::apiserver::Denied;

/// A policy sees an object when it is made: nobody can ask it before.
#[tokio::test(start_paused = true)]
async fn what_a_policy_forbids_is_refused_in_its_words_and_no_access_review_tells() {
    let server = server();
    let policy = Some("no Secrets here".to_owned());
    let resource = Some("secrets".to_owned());
    server.deny(vec![Denied { verb: Some("create".to_owned()), resource, policy, ..Denied::default() }]);
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client(&server));
    let review =
        from(json!({ "spec": { "resourceAttributes": { "verb": "create", "resource": "secrets" } } }));
    let review = reviews.create(&PostParams::default(), &review).await.unwrap();
    assert!(review.status.unwrap().allowed);
    let secrets: Api<Secret> = Api::default_namespaced(client(&server));
    let secret = from(json!({ "metadata": { "name": "s" } }));
    let refused = secrets.create(&PostParams::default(), &secret).await.unwrap_err();
    let refused = status(&refused);
    assert_eq!(refused.code, 403);
    assert!(refused.message.ends_with("is forbidden: no Secrets here"), "{}", refused.message);
    secrets.list(&ListParams::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_access_review_and_the_requests_themselves_agree_on_what_is_denied() {
    let server = server();
    let secrets_denied = Denied {
        user_agent: Some("ms2m".to_owned()),
        resource: Some("secrets".to_owned()),
        ..Denied::default()
    };
    server.deny(vec![secrets_denied]);
    let operator = client_named(&server, "ms2m/0.1");
    let reviews: Api<SelfSubjectAccessReview> = Api::all(operator.clone());
    for (resource, expected) in [("pods", true), ("secrets", false)] {
        let review =
            from(json!({ "spec": { "resourceAttributes": { "verb": "list", "resource": resource } } }));
        let review = reviews.create(&PostParams::default(), &review).await.unwrap();
        assert_eq!(review.status.unwrap().allowed, expected, "{resource}");
    }
    let pods: Api<Pod> = Api::default_namespaced(operator.clone());
    pods.list(&ListParams::default()).await.unwrap();
    let secrets: Api<Secret> = Api::default_namespaced(operator);
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert_eq!((status(&refused).code, status(&refused).reason.as_str()), (403, "Forbidden"));
    let others: Api<Secret> = Api::default_namespaced(client(&server));
    others.list(&ListParams::default()).await.unwrap();
}
