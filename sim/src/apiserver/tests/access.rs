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
