use super::{StatefulMigrationSpec, Strategy, reason};

/// Why a spec makes no sense, before anything outside is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSpec {
    /// One of [`reason`].
    pub reason: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

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
    if phases.iter().any(|deadline| deadline.as_millis() < 1_000) {
        return invalid("every deadline must be at least 1s");
    }
    Ok(())
}
