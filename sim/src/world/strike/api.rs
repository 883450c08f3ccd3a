//! What breaks at the API server.

use ms2m::kubernetes::{client::USER_AGENT, lease};

use super::{
    Blow, Undo,
    evidence::{Encounter, Evidence},
    misdirected,
};
use crate::{
    apiserver::{Fault as ApiFault, FaultEffect, RequestMatch},
    plan::{Fault, FaultKind},
    world::drive::Drive,
};

/// How much longer a request takes at an API server that is slow.
const DELAY_MS: u32 = 1_000;
/// How many changes a watch tells once more.
const AGAIN: u64 = 40;

impl Drive {
    pub(super) fn strike_api(&self, fault: &Fault) -> Blow {
        let operator = RequestMatch::from_client(USER_AGENT);
        let refuse = |code, retry_after_s| FaultEffect::Refuse { code, retry_after_s };
        let migration = || self.parties[fault.at.workload].names.migration();
        let (on, times, effect) = match fault.kind {
            FaultKind::ApiConflicts => (operator.writes(), u32::MAX, refuse(409, None)),
            FaultKind::ApiTooMany => (operator, u32::MAX, refuse(429, Some(1))),
            FaultKind::ApiErrors => (operator, u32::MAX, refuse(500, None)),
            FaultKind::LoseAcknowledgement => (operator.writes(), 1, FaultEffect::LoseAcknowledgement),
            FaultKind::LoseWrite => (operator.writes(), 1, FaultEffect::LoseRequest),
            FaultKind::DelayStatus => (
                operator.writes().subresource("status").named(&migration()),
                1,
                FaultEffect::Delay { ms: 2 * DELAY_MS },
            ),
            FaultKind::DelayApi => (operator, u32::MAX, FaultEffect::Delay { ms: DELAY_MS }),
            watches => return self.strike_watches(watches),
        };
        let inject = |on, effect| self.cluster.api.inject(ApiFault { on, skip: 0, times, effect });
        // The claim of the Lease is its request, too, and the next of them is struck besides; a status is no claim.
        let election = on.subresource.is_none().then(|| {
            let claims = RequestMatch { user_agent: Some(lease::USER_AGENT.to_owned()), ..on.clone() };
            inject(claims, effect.clone())
        });
        let injected: Vec<u64> = election.into_iter().chain([inject(on, effect)]).collect();
        let evidence = Evidence::Requests(injected.clone());
        let undo = if times == 1 { Undo::Disarm(injected) } else { Undo::Withdraw(injected) };
        Blow { undo, evidence }
    }

    fn strike_watches(&self, kind: FaultKind) -> Blow {
        let api = &self.cluster.api;
        let from_now_on = |of| Evidence::from_now_on(of, &self.cluster);
        match kind {
            FaultKind::StallWatches => {
                let evidence = from_now_on(Encounter::HeldBack);
                api.stall_watches(RequestMatch::from_client(USER_AGENT));
                Blow { undo: Undo::ReleaseWatches, evidence }
            }
            FaultKind::CloseWatches => {
                let closed = api.close_watches(&RequestMatch::default());
                Blow { undo: Undo::Nothing, evidence: Evidence::AtOnce(closed > 0) }
            }
            FaultKind::RepeatWatches => {
                let rewound = api.rewind_watches(&RequestMatch::from_client(USER_AGENT), AGAIN);
                Blow { undo: Undo::Nothing, evidence: Evidence::AtOnce(rewound > 0) }
            }
            FaultKind::LaggingApi | FaultKind::StaleWatch => {
                let evidence = from_now_on(Encounter::Behind);
                api.fall_behind();
                if kind == FaultKind::StaleWatch {
                    api.close_watches(&RequestMatch::default());
                }
                Blow { undo: Undo::CatchUp, evidence }
            }
            FaultKind::CompactHistory => {
                // A watch that is up to date loses nothing by it; one that comes back does.
                let evidence = from_now_on(Encounter::Gone);
                api.compact_history();
                api.close_watches(&RequestMatch::default());
                Blow { undo: Undo::Nothing, evidence }
            }
            other => misdirected(other),
        }
    }
}
