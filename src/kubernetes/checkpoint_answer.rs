//! What a kubelet, or the API server before it, says to a request for a checkpoint.

use serde::Deserialize;

use super::kubelet::Way;
use crate::{api::reason, protocol::EffectFailure};

/// Body of a good answer.
#[derive(Deserialize)]
struct Written {
    items: Vec<String>,
}

/// The archive's path from a good answer.
pub(super) fn archive(body: &str) -> Result<String, EffectFailure> {
    let first =
        serde_json::from_str::<Written>(body).ok().and_then(|written| written.items.into_iter().next());
    first.filter(|path| path.starts_with('/')).ok_or_else(|| {
        let message = format!("the kubelet answers without the path of an archive: {body}");
        EffectFailure { reason: reason::CHECKPOINT_FAILED, message, retryable: true, unheard: false }
    })
}

/// What a bad answer means. `node` is the source's node.
pub(super) fn refusal(way: Way, node: &str, code: u16, said: &str) -> EffectFailure {
    match code {
        401 => permission(format!(
            "the kubelet of {node} does not accept the caller's credentials (401 {said}): it must authenticate by webhook"
        )),
        403 => permission(forbidden(way, node, said)),
        404 => absent(node, said),
        _ if lacks_criu(said) => EffectFailure {
            reason: reason::CHECKPOINT_UNSUPPORTED,
            message: format!(
                "the runtime of {node} cannot checkpoint: {said}; see docs/operations.md for what a node needs"
            ),
            retryable: false,
            unheard: false,
        },
        _ if said.contains("tcp-established") || said.contains("Connected TCP") => failed(format!(
            "CRIU refuses open TCP connections: write tcp-close into /etc/criu/runc.conf on {node} and on the target: {said}"
        )),
        _ if said.contains("In-flight") || said.contains("in-flight") => {
            failed(format!("a connection was just being accepted, the next attempt may be luckier: {said}"))
        }
        _ => EffectFailure {
            unheard: !has_ended(way, code, said),
            ..failed(format!("the kubelet of {node} could not write the checkpoint ({code}): {said}"))
        },
    }
}

/// Whether nothing can be under way: the kubelet itself says how it went, or the API server that it has asked for nothing. An API
/// server that says anything else may have lost the kubelet's answer.
fn has_ended(way: Way, code: u16, said: &str) -> bool {
    let by_the_kubelet = way == Way::Direct || said.contains("checkpointing of ");
    by_the_kubelet || code < 500 || said.contains(": dial tcp ")
}

fn failed(message: String) -> EffectFailure {
    EffectFailure { reason: reason::CHECKPOINT_FAILED, message, retryable: true, unheard: false }
}

fn permission(message: String) -> EffectFailure {
    EffectFailure { reason: reason::PERMISSION_MISSING, message, retryable: false, unheard: false }
}

/// The API server speaks of `User "…" cannot create`, a kubelet of `Forbidden (user=…, verb=…)`.
fn forbidden(way: Way, node: &str, said: &str) -> String {
    let by_kubelet = said.contains("(user=");
    match way {
        Way::Proxy if by_kubelet => format!(
            "the kubelet of {node} refuses the API server: its kubelet client needs create on nodes/checkpoint: {said}"
        ),
        Way::Proxy => {
            format!(
                "the operator needs create on nodes/proxy, see ms2m-checkpoint-proxied in deploy/rbac.yaml: {said}"
            )
        }
        Way::Direct => format!(
            "the operator needs create on nodes/checkpoint, see ms2m-checkpoint-direct in deploy/rbac.yaml: {said}"
        ),
    }
}

fn absent(node: &str, said: &str) -> EffectFailure {
    // The kubelet names what it lacks; a path that it does not serve is answered without a word of its own.
    if said.contains("does not exist") || said.contains("not found\"") || said.starts_with("nodes ") {
        return failed(format!("the kubelet of {node} does not have the container: {said}"));
    }
    EffectFailure {
        reason: reason::CHECKPOINT_UNSUPPORTED,
        message: format!(
            "the kubelet of {node} does not serve checkpoints (404 {said}): turn on its feature gate ContainerCheckpoint"
        ),
        retryable: false,
        unheard: false,
    }
}

fn lacks_criu(said: &str) -> bool {
    let lower = said.to_lowercase();
    let criu_missing = lower.contains("criu")
        && ["not found", "no such file", "not installed", "is required"]
            .iter()
            .any(|word| lower.contains(word));
    criu_missing
        || lower.contains("unimplemented")
        || lower.contains("not implemented")
        || lower.contains("checkpoint/restore support not available")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(way: Way, code: u16, said: &str) -> (&'static str, bool) {
        let failure = refusal(way, "node-a", code, said);
        (failure.reason, failure.retryable)
    }

    #[test]
    fn the_path_is_the_first_item() {
        let path = "/var/lib/kubelet/checkpoints/checkpoint-counter_shop-counter-2026-01-01T00:00:00Z.tar";
        assert_eq!(archive(&format!(r#"{{"items":["{path}"]}}"#)).unwrap(), path);
        for body in ["", "{}", r#"{"items":[]}"#, r#"{"items":["relative.tar"]}"#] {
            let failure = archive(body).unwrap_err();
            assert_eq!((failure.reason, failure.retryable), (reason::CHECKPOINT_FAILED, true), "{body}");
        }
    }

    #[test]
    fn a_missing_right_is_named() {
        let by_server = r#"nodes "node-a" is forbidden: User "ms2m" cannot create resource "nodes/proxy" in API group """#;
        let by_kubelet =
            "Forbidden (user=kube-apiserver, verb=create, resource=nodes, subresource(s)=[checkpoint])";
        for (way, said, right) in [
            (Way::Proxy, by_server, "operator needs create on nodes/proxy"),
            (Way::Proxy, by_kubelet, "kubelet client needs create on nodes/checkpoint"),
            (Way::Direct, by_kubelet, "operator needs create on nodes/checkpoint"),
        ] {
            let failure = refusal(way, "node-a", 403, said);
            assert_eq!((failure.reason, failure.retryable), (reason::PERMISSION_MISSING, false));
            assert!(failure.message.contains(right), "{}", failure.message);
        }
        assert_eq!(verdict(Way::Direct, 401, "Unauthorized"), (reason::PERMISSION_MISSING, false));
    }

    #[test]
    fn a_gate_that_is_off_is_told_from_a_container_that_is_gone() {
        assert_eq!(verdict(Way::Proxy, 404, "404 page not found"), (reason::CHECKPOINT_UNSUPPORTED, false));
        assert_eq!(verdict(Way::Proxy, 404, "pod does not exist"), (reason::CHECKPOINT_FAILED, true));
        assert_eq!(
            verdict(Way::Proxy, 404, r#"nodes "node-a" not found"#),
            (reason::CHECKPOINT_FAILED, true)
        );
    }

    #[test]
    fn what_may_pass_is_retried_and_a_runtime_without_criu_is_not() {
        let in_flight =
            "checkpointing of shop/counter/counter failed (rpc error: ... In-flight connection (l) for 37)";
        let connected = "... Connected TCP socket, consider using --tcp-established option";
        for said in [in_flight, connected, "context deadline exceeded", "connection refused"] {
            assert_eq!(verdict(Way::Proxy, 500, said), (reason::CHECKPOINT_FAILED, true), "{said}");
        }
        assert_eq!(
            verdict(Way::Proxy, 503, "error trying to reach service"),
            (reason::CHECKPOINT_FAILED, true)
        );
        for said in [
            "rpc error: code = Unimplemented desc = method CheckpointContainer not implemented",
            r#"failed to checkpoint: exec: "criu": executable file not found in $PATH"#,
            "CRIU binary not found or too old (<31600)",
        ] {
            assert_eq!(verdict(Way::Proxy, 500, said), (reason::CHECKPOINT_UNSUPPORTED, false), "{said}");
        }
    }

    #[test]
    fn a_checkpoint_has_ended_when_its_kubelet_says_so_or_was_never_asked() {
        let unheard = |way, code, said| refusal(way, "node-a", code, said).unheard;
        let ended = "checkpointing of shop/counter/counter failed (context deadline exceeded)";
        assert!(!unheard(Way::Proxy, 500, ended));
        assert!(!unheard(Way::Proxy, 404, "pod does not exist"));
        assert!(!unheard(Way::Proxy, 429, "too many requests"));
        let refused = "error trying to reach service: dial tcp 10.0.0.4:10250: connect: connection refused";
        assert!(!unheard(Way::Proxy, 503, refused));
        assert!(unheard(Way::Proxy, 503, "error trying to reach service: EOF"));
        assert!(unheard(Way::Proxy, 504, "the server was unable to return a response in the time allotted"));
        assert!(!unheard(Way::Direct, 500, "internal error"));
    }
}
