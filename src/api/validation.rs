use std::collections::BTreeSet;

use ms2m_app::contract::{NAME_BYTES_MAX, replay_queue};

use super::{BrokerSpec, Span, StatefulMigrationSpec, Strategy, reason};

/// Why a spec makes no sense, before anything outside is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSpec {
    /// One of [`reason`].
    pub reason: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Longer than this is a mistake in the unit.
const LONGEST: Span = Span::from_hours(24);
/// As long as every object's UID is.
const UID: &str = "00000000-0000-0000-0000-000000000000";
/// More would wait for what only a person can mend.
const ATTEMPTS_MAX: u32 = 10;

/// Checks what the schema and its CEL rules check, for API servers that do not, and what they cannot say.
pub fn validate(spec: &StatefulMigrationSpec) -> Result<(), InvalidSpec> {
    let invalid =
        |message: &str| Err(InvalidSpec { reason: reason::INVALID_SPEC, message: message.to_owned() });
    if spec.strategy == Strategy::Sequential {
        let message = "strategy Sequential is not implemented yet; use ShadowPod".to_owned();
        return Err(InvalidSpec { reason: reason::STRATEGY_NOT_IMPLEMENTED, message });
    }
    if spec.source_pod.is_empty() {
        return invalid("sourcePod is empty: name the pod to move");
    }
    if let Some(message) = wrong_volumes(&spec.uncarried_volumes) {
        return invalid(message);
    }
    match (&spec.target.node_name, &spec.target.node_selector) {
        (Some(_), Some(_)) => return invalid("target has nodeName and nodeSelector: give one of the two"),
        (None, None) => return invalid("target is empty: give nodeName or nodeSelector"),
        (Some(name), None) if name.is_empty() => return invalid("target.nodeName is empty: name a node"),
        (None, Some(labels)) if labels.is_empty() => {
            return invalid("target.nodeSelector is empty: give at least one label");
        }
        _ => {}
    }
    if spec.broker.queue.is_empty() {
        return invalid("broker.queue is empty: name the queue that the pod consumes");
    }
    if let Some(message) = overlong_names(&spec.broker) {
        return Err(InvalidSpec { reason: reason::INVALID_SPEC, message });
    }
    if spec.broker.bindings.iter().any(|binding| binding.exchange.is_empty()) {
        return invalid(
            "broker.bindings names the default exchange, which cannot be mirrored: bind the queue to a named exchange",
        );
    }
    if spec.broker.management_url_secret.is_none() && spec.broker.bindings.is_empty() {
        return invalid(
            "broker.managementUrlSecret and broker.bindings are both missing: AMQP cannot tell a queue's bindings, so give one of the two",
        );
    }
    if spec.transfer.repository.is_empty() || spec.transfer.repository.contains(['@', ' ']) {
        return invalid(
            "transfer.repository must be a repository without tag or digest, such as registry.example.com/checkpoints",
        );
    }
    let replay = &spec.replay;
    if replay.max_pause.as_millis() < 10 {
        return invalid("replay.maxPause must be at least 10ms");
    }
    if replay.deadline.as_millis() < 1_000 {
        return invalid("replay.deadline must be at least 1s");
    }
    if replay.settle.as_millis() > 60_000 {
        return invalid("replay.settle must be at most 60s");
    }
    let d = &spec.deadlines;
    let phases = [d.pending, d.mirroring, d.checkpointing, d.transferring, d.restoring, d.switching_over];
    if phases.iter().chain([&replay.max_pause, &replay.deadline]).any(|span| *span > LONGEST) {
        return invalid("a duration must be at most 24h");
    }
    if phases.iter().any(|deadline| deadline.as_millis() < 1_000) {
        return invalid("every deadline must be at least 1s");
    }
    if replay.settle >= d.mirroring.min(d.switching_over) {
        return invalid(
            "replay.settle must be shorter than deadlines.mirroring and deadlines.switchingOver, which wait for it",
        );
    }
    let attempts = [spec.attempts.checkpoints, spec.attempts.shadows];
    if attempts.iter().any(|allowed| !(1..=ATTEMPTS_MAX).contains(allowed)) {
        return invalid("attempts.checkpoints and attempts.shadows must be 1 to 10");
    }
    Ok(())
}

/// Which name is longer than AMQP can write it: it counts bytes, and a definition's `maxLength` counts characters.
fn overlong_names(broker: &BrokerSpec) -> Option<String> {
    // The replay queue's name is made of it, and of the migration's UID.
    let queue_max = NAME_BYTES_MAX - replay_queue("", UID).len();
    let queue = [("broker.queue", broker.queue.as_str(), queue_max)];
    let bindings = broker.bindings.iter().flat_map(|binding| {
        let exchange = ("exchange of broker.bindings", binding.exchange.as_str(), NAME_BYTES_MAX);
        let key = ("routingKey of broker.bindings", binding.routing_key.as_str(), NAME_BYTES_MAX);
        let arguments = binding.arguments.keys();
        let arguments =
            arguments.map(|name| ("argument's name of broker.bindings", name.as_str(), NAME_BYTES_MAX));
        [exchange, key].into_iter().chain(arguments)
    });
    let (what, name, most) = queue.into_iter().chain(bindings).find(|(_, name, most)| name.len() > *most)?;
    Some(format!("the {what} must be at most {most} bytes: it has {}", name.len()))
}

/// What is wrong with names of volumes, as far as they tell without the pod.
fn wrong_volumes(names: &[String]) -> Option<&'static str> {
    if names.iter().any(String::is_empty) {
        return Some("uncarriedVolumes has an empty name: name volumes of the pod");
    }
    let different: BTreeSet<&String> = names.iter().collect();
    (different.len() < names.len()).then_some("uncarriedVolumes must name each volume once")
}

#[cfg(test)]
mod tests {
    use kube::core::cel::{validate_cel, validate_cel_update};
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Phase, StatefulMigration, StatefulMigrationStatus};

    fn good() -> Value {
        json!({
            "sourcePod": "counter",
            "target": { "nodeName": "node-2" },
            "broker": {
                "kind": "RabbitMQ",
                "urlSecret": { "name": "broker", "key": "url" },
                "managementUrlSecret": { "name": "broker", "key": "management" },
                "queue": "orders",
            },
            "transfer": { "repository": "registry/checkpoints" },
        })
    }

    fn migration(change: Value) -> StatefulMigration {
        let mut spec = good();
        merge(&mut spec, change);
        StatefulMigration::new("move", serde_json::from_value(spec).expect("a spec that can be read"))
    }

    /// RFC 7396.
    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (key, value) in change {
                    if value.is_null() {
                        into.remove(&key);
                    } else {
                        merge(into.entry(key).or_insert(Value::Null), value);
                    }
                }
            }
            (into, change) => *into = change,
        }
    }

    #[test]
    fn the_rules_of_the_definition_and_of_the_operator_agree() {
        let refused = [
            json!({ "strategy": "Sequential" }),
            json!({ "target": { "nodeName": null } }),
            json!({ "target": { "nodeSelector": { "zone": "b" } } }),
            json!({ "broker": { "managementUrlSecret": null } }),
            json!({ "replay": { "maxPause": "9ms" } }),
            json!({ "replay": { "deadline": "999ms" } }),
            json!({ "replay": { "settle": "1m1ms" } }),
            json!({ "replay": { "settle": "60s" } }),
            json!({ "replay": { "settle": "5s" }, "deadlines": { "mirroring": "5s" } }),
            json!({ "replay": { "settle": "5s" }, "deadlines": { "switchingOver": "4s" } }),
            json!({ "deadlines": { "pending": "999ms" } }),
            json!({ "deadlines": { "switchingOver": "0s" } }),
            json!({ "replay": { "deadline": "24h1ms" } }),
            json!({ "deadlines": { "transferring": "25h" } }),
        ];
        for change in refused {
            let object = migration(change.clone());
            assert!(validate(&object.spec).is_err(), "the operator accepts {change}");
            assert!(validate_cel(&object).is_err(), "the definition accepts {change}");
        }
        let accepted = [
            json!({}),
            json!({ "target": { "nodeName": null, "nodeSelector": { "zone": "b" } } }),
            json!({ "broker": { "managementUrlSecret": null, "bindings": [{ "exchange": "shop" }] } }),
            json!({ "replay": { "maxPause": "10ms", "deadline": "1s", "settle": "59999ms" } }),
            json!({ "replay": { "settle": "60s" }, "deadlines": { "mirroring": "60001ms" } }),
            json!({ "deadlines": { "mirroring": "1s", "switchingOver": "1s" } }),
            json!({ "attempts": { "checkpoints": 1, "shadows": 10 } }),
            json!({ "uncarriedVolumes": ["scratch", "cache"] }),
            json!({ "broker": { "queue": "q".repeat(200), "bindings": [{ "exchange": "e".repeat(255), "routingKey": "k".repeat(255) }] } }),
            json!({ "replay": { "deadline": "24h" }, "deadlines": { "transferring": "1h30m", "pending": "1s" } }),
        ];
        for change in accepted {
            let object = migration(change.clone());
            assert_eq!(validate(&object.spec), Ok(()), "{change}");
            assert!(validate_cel(&object).is_ok(), "{change}: {:?}", validate_cel(&object));
        }
    }

    #[test]
    fn what_neither_can_express_is_refused_by_the_schema_or_by_the_operator() {
        let refused = [
            json!({ "sourcePod": "" }),
            json!({ "uncarriedVolumes": [""] }),
            json!({ "uncarriedVolumes": ["scratch", "cache", "scratch"] }),
            json!({ "target": { "nodeName": "" } }),
            json!({ "target": { "nodeName": null, "nodeSelector": {} } }),
            json!({ "broker": { "queue": "" } }),
            json!({ "broker": { "bindings": [{ "exchange": "" }] } }),
            json!({ "broker": { "queue": "\u{e9}".repeat(107) } }),
            json!({ "broker": { "bindings": [{ "exchange": "\u{e9}".repeat(128) }] } }),
            json!({ "broker": { "bindings": [{ "exchange": "shop", "routingKey": "k".repeat(256) }] } }),
            json!({ "broker": { "bindings": [{ "exchange": "shop", "arguments": { "a".repeat(256): 1 } }] } }),
            json!({ "transfer": { "repository": "registry/checkpoints@sha256:1" } }),
            json!({ "attempts": { "checkpoints": 0 } }),
            json!({ "attempts": { "shadows": 11 } }),
        ];
        for change in refused {
            let invalid = validate(&migration(change.clone()).spec).expect_err("a refusal");
            assert_eq!(invalid.reason, reason::INVALID_SPEC, "{change}");
            assert!(
                invalid.message.contains(": ") || invalid.message.contains("must"),
                "{}",
                invalid.message
            );
        }
    }

    #[test]
    fn the_spec_cannot_change_once_the_migration_has_started() {
        let other = || migration(json!({ "target": { "nodeName": "node-3" } }));
        let started = |phase| {
            let mut object = migration(json!({}));
            object.status = Some(StatefulMigrationStatus { phase, ..Default::default() });
            object
        };
        let with_status = |mut object: StatefulMigration, of: &StatefulMigration| {
            object.status.clone_from(&of.status);
            object
        };
        for (phase, may_change) in [
            (Phase::Pending, true),
            (Phase::Mirroring, false),
            (Phase::Replaying, false),
            (Phase::Completed, false),
        ] {
            let old = started(phase);
            let new = with_status(other(), &old);
            assert_eq!(validate_cel_update(&new, &old).is_ok(), may_change, "{phase:?}");
        }
    }
}
