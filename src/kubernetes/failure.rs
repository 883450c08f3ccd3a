//! What an error of the API server means for the effect that met it.

use crate::{api::reason, protocol::EffectFailure};

/// What an error of the API server means for the effect that met it.
///
/// `doing` begins the sentence; `reason` is said where the error has no better one of its own.
pub fn failure(doing: &str, reason: &'static str, error: &kube::Error) -> EffectFailure {
    let kube::Error::Api(status) = error else {
        return EffectFailure {
            reason,
            message: format!("{doing}: {error}"),
            retryable: true,
            unheard: false,
        };
    };
    let said = &status.message;
    match status.code {
        401 => EffectFailure {
            reason: reason::PERMISSION_MISSING,
            message: format!("{doing}: the API server does not accept the operator's credentials: {said}"),
            retryable: true,
            unheard: false,
        },
        // An authorizer names the user and the verb; everything else that forbids is an admission plug-in.
        403 if said.contains("User \"") && said.contains("cannot ") => EffectFailure {
            reason: reason::PERMISSION_MISSING,
            message: format!("{doing}: {said}; grant the operator what deploy/rbac.yaml lists"),
            retryable: false,
            unheard: false,
        },
        403 => {
            let retryable = said.contains("exceeded quota");
            EffectFailure { reason, message: format!("{doing}: {said}"), retryable, unheard: false }
        }
        400 | 413 | 415 | 422 => EffectFailure {
            reason,
            message: format!("{doing}: the API server refuses it: {said}"),
            retryable: false,
            unheard: false,
        },
        code => EffectFailure {
            reason,
            message: format!("{doing}: {said} ({code})"),
            retryable: true,
            unheard: false,
        },
    }
}

/// Whether there is no such object.
pub fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the object is not what the request supposed: another version, another UID, or there already.
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn said(code: u16, message: &str) -> EffectFailure {
        let status = Status::failure(message, "Reason").with_code(code);
        failure("creating the transfer Job", reason::TRANSFER_FAILED, &kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_missing_right_is_told_from_a_refusing_policy() {
        let right = said(403, r#"jobs.batch is forbidden: User "ms2m" cannot create resource "jobs""#);
        assert_eq!((right.reason, right.retryable), (reason::PERMISSION_MISSING, false));
        assert!(right.message.contains("deploy/rbac.yaml"), "{}", right.message);
        let policy = said(403, r#"pods "x" is forbidden: violates PodSecurity "restricted""#);
        assert_eq!((policy.reason, policy.retryable), (reason::TRANSFER_FAILED, false));
        assert!(said(403, "exceeded quota: compute").retryable);
    }

    #[test]
    fn what_the_server_cannot_do_now_is_repeated_and_what_it_refuses_is_not() {
        for code in [404, 409, 429, 500, 503] {
            assert!(said(code, "x").retryable, "{code}");
        }
        for code in [400, 422] {
            assert!(!said(code, "x").retryable, "{code}");
        }
    }
}
