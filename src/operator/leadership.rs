//! One operator of several works: the one that holds the Lease. The others wait for it.
//!
//! Two that act at the same time harm a migration though every status is a compare-and-swap: what one does at the broker or the
//! API server is done before the other's decision about it is refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ms2m_app::seeded_bug::{self, SeededBug};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Settings, health::Health};
use crate::{
    io::Clock,
    kubernetes::lease::{Claim, LeaseClaim},
};

/// How long the Lease is good without being renewed: so long the next operator waits when one is lost. This and the two below are
/// client-go's usual ones.
const LASTS: Duration = Duration::from_secs(15);
/// How long whoever holds it works on without having renewed it: less than the others wait, so that what it has under way ends first.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one claim may take: one that hangs must not use up the patience that the next needs.
const ANSWERS: Duration = Duration::from_secs(3);
/// How long after one claim the next comes.
const AGAIN: Duration = Duration::from_secs(2);

/// Name of the Lease of operators that look after everything; those of one namespace have one of their own.
pub const LEASE: &str = "ms2m-operator";

/// Until when this is the operator that works, unless it is longer. Whoever acts asks before: a process that stood still for a while
/// goes on with what it was about, and only then sees how late it is.
#[derive(Clone, Debug)]
pub(super) struct Term(Arc<Mutex<Instant>>);

impl Term {
    /// Whether it still is.
    pub(super) fn holds(&self) -> bool {
        Instant::now() < self.end() || ignores_the_lease()
    }

    fn end(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Lease was renewed by a claim that was made then.
    fn renewed(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at + PATIENCE;
    }
}

pub(super) struct Leadership {
    lease: LeaseClaim,
    clock: Arc<dyn Clock>,
    term: Term,
}

impl Leadership {
    pub(super) fn new(
        client: kube::Client,
        namespace: &str,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let name = match &settings.namespace {
            Some(namespace) => format!("{LEASE}.{namespace}"),
            None => LEASE.to_owned(),
        };
        let lease = LeaseClaim::new(client, namespace, name, settings.instance.clone(), LASTS);
        Self { lease, clock, term: Term(Arc::new(Mutex::new(Instant::now()))) }
    }

    pub(super) fn term(&self) -> Term {
        self.term.clone()
    }

    /// Until this is the operator that works. One that waits is ready: a rolling update goes on, and ends the one that works.
    pub(super) async fn gain(&mut self, health: &Health) {
        let mut told = None;
        loop {
            match timeout(ANSWERS, self.claim()).await {
                Ok(Ok(Claim::Held)) => return,
                Ok(Ok(Claim::Taken(_))) if seeded_bug::is(SeededBug::WorkUnelected) => return,
                Ok(Ok(Claim::Taken(holder))) => {
                    health.set_ready();
                    if told.as_ref() != Some(&holder) {
                        tracing::info!(holder, "another operator works; this one waits");
                        told = Some(holder);
                    }
                }
                Ok(Ok(Claim::Contested)) => {}
                Ok(Err(error)) => complain(&error),
                Err(_) => tracing::warn!("the API server does not answer the claim of the Lease"),
            }
            sleep(AGAIN).await;
        }
    }

    /// Renews it; returns when another has it, or may soon have it.
    pub(super) async fn keep(&mut self) {
        loop {
            sleep(AGAIN).await;
            if ignores_the_lease() {
                continue;
            }
            match timeout_at(self.term.end().min(Instant::now() + ANSWERS), self.claim()).await {
                Ok(Ok(Claim::Taken(holder))) => {
                    tracing::warn!(holder, "another operator has taken the Lease");
                    return;
                }
                Ok(Ok(Claim::Held | Claim::Contested)) | Err(_) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be renewed"),
            }
            if !self.term.holds() {
                tracing::warn!("the Lease could not be renewed in time: another operator may take it");
                return;
            }
        }
    }

    /// Gives it up, where it can: otherwise it runs out.
    pub(super) async fn release(&mut self) {
        match timeout(PATIENCE, self.lease.release(self.clock.now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be given up"),
            Err(_) => tracing::warn!("the API server does not answer; the Lease runs out by itself"),
        }
    }

    async fn claim(&mut self) -> Result<Claim, kube::Error> {
        let began = Instant::now();
        let claim = self.lease.claim(self.clock.now()).await?;
        if claim == Claim::Held {
            self.term.renewed(began);
        }
        Ok(claim)
    }
}

fn ignores_the_lease() -> bool {
    seeded_bug::is(SeededBug::WorkUnelected) || seeded_bug::is(SeededBug::KeepLostLease)
}

/// A refusal needs a person; everything else passes.
fn complain(error: &kube::Error) {
    match error {
        kube::Error::Api(status) if [403, 404].contains(&status.code) => tracing::warn!(
            %error,
            "the Lease is refused, and without it nothing is done: grant ms2m-election of deploy/rbac.yaml in a namespace that \
             exists, and name that with --lease-namespace"
        ),
        _ => tracing::warn!(%error, "the Lease cannot be claimed; nothing is done without it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_before_anybody_else_s_can_begin_and_counts_from_before_the_claim() {
        let term = Term(Arc::new(Mutex::new(Instant::now())));
        assert!(!term.holds(), "nothing was granted yet");
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        term.renewed(asked);
        assert!(term.holds());
        tokio::time::sleep_until(asked + PATIENCE).await;
        assert!(!term.holds());
        assert!(PATIENCE < LASTS);
    }
}
