//! When a marker may be published and a command sent, and to whom.

use ms2m_app::contract::{CommandBody, Marker};
use proptest::prelude::*;

use super::{
    rules::{Turn, Verdict, ms, passed, session},
    witness::saying,
};
use crate::{
    api::Phase,
    protocol::{Effect, tests::world::MIGRATION},
};

impl Turn<'_> {
    pub(super) fn marker(&self, queue: &str, marker: &Marker) -> Verdict {
        let status = &self.decision.status;
        let mirror = status.mirror.clone().unwrap_or_default();
        match marker {
            Marker::Sync { migration, epoch, nonce, source, .. } => {
                prop_assert_eq!((migration.as_str(), Some(*epoch)), (MIGRATION, status.epoch));
                prop_assert_eq!(
                    (queue, Some(nonce)),
                    (self.spec.broker.queue.as_str(), status.nonce.as_ref())
                );
                prop_assert_eq!(Some(source), status.source.as_ref().map(|source| &source.uid));
                let settled = mirror.bound_at.map(|at| ms(at, self.now) >= 500);
                prop_assert_eq!(settled, Some(true), "R is not known to be bound for settle");
            }
            Marker::End { epoch, session: to, round, .. } => {
                prop_assert_eq!((queue, Some(*epoch)), (mirror.replay_queue.as_str(), status.epoch));
                prop_assert_eq!(Some(to.clone()), session(status));
                let handover = status.handover.clone().unwrap_or_default();
                prop_assert!(handover.stopped_at.is_some(), "the source is not stopped");
                prop_assert!(self.witness.started.contains(to), "the session does not read R");
                let key = (to.clone(), *round);
                prop_assert!(!self.witness.drained.contains_key(&key), "that round is drained already");
                prop_assert!(!self.witness.gaps.contains(&key), "that round was answered GAP already");
            }
        }
        Ok(())
    }

    pub(super) fn command(&self, pod_uid: &String, epoch: u64, body: &CommandBody) -> Verdict {
        let (status, through) = (&self.decision.status, self.through());
        let source = status.source.as_ref().map(|source| &source.uid);
        let target = status.target.clone().unwrap_or_default();
        let to_target = |session: &String| {
            target.uid.as_ref() == Some(pod_uid)
                && target.session.as_ref() == Some(session)
                && self.session_is_proven()
        };
        prop_assert_eq!(epoch, status.epoch.unwrap_or_default());
        match body {
            CommandBody::Probe => {
                let asked = status.abort.as_ref().is_some_and(|abort| !abort.proven && !abort.refused);
                prop_assert!(source == Some(pod_uid) && (through.contains(&Phase::Pending) || asked));
            }
            CommandBody::StartReplay { session, .. } => prop_assert!(to_target(session)),
            CommandBody::Stop => {
                prop_assert!(source == Some(pod_uid) && through.contains(&Phase::SwitchingOver));
                prop_assert!(self.witness.stopped.is_none(), "the source has answered STOPPED already");
                let stopped = status.handover.as_ref().is_some_and(|handover| handover.stopped_at.is_some());
                prop_assert!(!stopped && !passed(status), "the source is stopped already");
            }
            CommandBody::Resume => {
                prop_assert!(source == Some(pod_uid) && through.contains(&Phase::RollingBack));
                prop_assert!(self.shadow_is_gone(), "the shadow may still be there");
                prop_assert!(self.before.handover.is_some(), "it was never told to stop");
            }
            CommandBody::EndReplay { session, ledger } => {
                prop_assert!(to_target(session));
                prop_assert_eq!(ledger, &status.handover.clone().unwrap_or_default().stopped);
            }
            CommandBody::TakeOver { session } => {
                prop_assert!(to_target(session) && passed(status));
                prop_assert!(self.witness.drained.keys().any(|(drained, _)| drained == session));
            }
        }
        Ok(())
    }

    /// What was said is said again only after a while.
    pub(super) fn not_too_soon(&self, effect: &Effect) -> Verdict {
        let again_ms = match effect {
            Effect::PublishMarker { marker: Marker::Sync { .. }, .. } => 10_000,
            Effect::PublishMarker { .. } => 5_000,
            // Each abort asks at once, and a clock may have gone back meanwhile.
            Effect::Command { body: CommandBody::Probe, .. } => return Ok(()),
            Effect::Command { .. } => 3_000,
            _ => return Ok(()),
        };
        let last = saying(effect).and_then(|saying| self.witness.said.get(&saying).copied());
        let elsewhere = session(self.before) != session(&self.decision.status);
        if let Some(last) = last.filter(|_| !elsewhere) {
            prop_assert!(ms(last, self.now) >= again_ms, "it was said {} ms ago", ms(last, self.now));
        }
        Ok(())
    }
}
