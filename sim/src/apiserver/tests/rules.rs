//! The rules of the operator's own definition, against the operator's own checks: both say the same, of every object that
//! the schema without its rules lets in.

use ms2m::api::{StatefulMigrationSpec, validate};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::world::{NoDial, clock};
use crate::apiserver::{ApiServer, Settings};

/// Around every limit, and far from all.
const SPANS: &[&str] = &[
    "0s", "9ms", "10ms", "999ms", "1s", "30s", "60s", "1m", "1m1ms", "1h30m", "24h", "24h1ms", "25h",
    "1500ms",
];

fn span() -> impl Strategy<Value = &'static str> {
    select(SPANS)
}

/// Mostly the good one, so that not everything is refused for something.
fn mostly(good: &'static str) -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(good), 1 => span()]
}

fn spec() -> impl Strategy<Value = Value> {
    let target = select(vec![
        json!({ "nodeName": "node-b" }),
        json!({ "nodeName": "node-b" }),
        json!({ "nodeSelector": { "zone": "b" } }),
        json!({ "nodeName": "node-b", "nodeSelector": { "zone": "b" } }),
        json!({}),
    ]);
    let management = select(vec![json!({ "name": "broker", "key": "management" }), Value::Null]);
    let bindings = select(vec![json!([{ "exchange": "shop" }]), json!([]), Value::Null]);
    let strategy = select(vec!["ShadowPod", "ShadowPod", "ShadowPod", "Sequential"]);
    let replay = (mostly("1s"), mostly("2m"), mostly("500ms"));
    let deadlines = proptest::array::uniform6(mostly("30s"));
    (target, management, bindings, strategy, replay, deadlines).prop_map(
        |(target, management, bindings, strategy, (max_pause, deadline, settle), deadlines)| {
            let [pending, mirroring, checkpointing, transferring, restoring, switching_over] = deadlines;
            let mut spec = json!({
                "sourcePod": "counter",
                "target": target,
                "strategy": strategy,
                "broker": { "kind": "RabbitMQ", "queue": "orders", "urlSecret": { "name": "broker", "key": "url" } },
                "transfer": { "repository": "registry/checkpoints" },
                "replay": { "maxPause": max_pause, "deadline": deadline, "settle": settle },
                "deadlines": {
                    "pending": pending, "mirroring": mirroring, "checkpointing": checkpointing,
                    "transferring": transferring, "restoring": restoring, "switchingOver": switching_over,
                },
            });
            for (field, value) in [("managementUrlSecret", management), ("bindings", bindings)] {
                if !value.is_null() {
                    spec["broker"][field] = value;
                }
            }
            spec
        },
    )
}

fn migration(spec: &Value) -> Value {
    json!({
        "apiVersion": "migration.ms2m.io/v1alpha1", "kind": "StatefulMigration",
        "metadata": { "name": "move" }, "spec": spec,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_definition_and_the_operator_refuse_the_same(specs in prop::collection::vec(spec(), 8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::new(clock(), std::sync::Arc::new(NoDial), Settings::default());
            for spec in specs {
                let typed: StatefulMigrationSpec = serde_json::from_value(spec.clone()).unwrap();
                let by_operator = validate(&typed).map_err(|invalid| invalid.message);
                let by_server = server.create(migration(&spec)).map_err(|refused| refused.message);
                prop_assert_eq!(by_operator.is_err(), by_server.is_err(), "{}: {:?} {:?}", spec, by_operator, by_server);
                server.delete("migration.ms2m.io", "statefulmigrations", "default", "move");
            }
            Ok(())
        })?;
    }
}

#[test]
fn the_spec_is_settled_once_the_migration_has_begun() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let spec = json!({
            "sourcePod": "counter", "target": { "nodeName": "node-b" },
            "broker": {
                "kind": "RabbitMQ", "queue": "orders", "urlSecret": { "name": "broker", "key": "url" },
                "bindings": [{ "exchange": "shop" }],
            },
            "transfer": { "repository": "registry/checkpoints" },
        });
        for (phase, may_change) in [("Pending", true), ("Mirroring", false), ("Completed", false)] {
            let server = ApiServer::new(clock(), std::sync::Arc::new(NoDial), Settings::default());
            let mut object = migration(&spec);
            object["status"] = json!({ "phase": phase });
            server.create(object).unwrap();
            let change = json!({ "spec": { "target": { "nodeName": "node-c" } } });
            let request = http::Request::patch(
                "/apis/migration.ms2m.io/v1alpha1/namespaces/default/statefulmigrations/move",
            )
            .header("content-type", "application/merge-patch+json")
            .body(change.to_string().into_bytes())
            .unwrap();
            let changed = super::world::client(&server).request::<Value>(request).await;
            assert_eq!(changed.is_ok(), may_change, "{phase}: {changed:?}");
        }
    });
}
