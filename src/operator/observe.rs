//! Looks at the world: at what the phase needs, all at once.

use std::{future::Future, sync::Arc};

use super::{context::Context, preflight, rivalry, session::Session};
use crate::{
    api::{Binding, StatefulMigration, StatefulMigrationStatus},
    broker::FactsSource,
    kubernetes::{
        MigrationRef, jobs, pod_view, pods,
        transfer_job::{ROLE_CLEANUP, ROLE_TRANSFER},
    },
    protocol::{self, EffectOutcome, JobView, Needs, Observation, PodView, QueueView, names},
};

/// What was seen, and through which session.
pub(super) struct Seen {
    pub(super) observation: Observation,
    /// None when no broker is needed, or it cannot be reached.
    pub(super) session: Option<Arc<Session>>,
    /// Something that is needed could not be looked at: soon again.
    pub(super) blind: bool,
}

/// Looks at what the migration's phase needs.
pub(super) async fn observe(
    context: &Context,
    object: &StatefulMigration,
    migration: &MigrationRef,
    outcomes: Vec<EffectOutcome>,
) -> Seen {
    let status = object.status.clone().unwrap_or_default();
    let needs = protocol::needs(&status);
    let (session, heard) = session(context, object, migration, &needs).await;
    // Before everything else: whoever sent a reply that is taken now must be visible in what is looked at after it.
    let replies = session.as_ref().map(|session| session.replies()).unwrap_or_default();
    let listening_since = session.as_ref().and_then(|session| session.listening_since());
    let view = View { context, object, migration, status: &status, session: session.as_deref() };
    let (
        preflight,
        rivalry,
        source,
        shadow,
        transfer_job,
        cleanup_job,
        primary,
        replay,
        replay_end,
        bindings,
    ) = tokio::join!(
        when(needs.preflight, preflight::preflight(context, object, migration)),
        when_known(needs.rivalry, rivalry::look(context, object, migration)),
        when_known(needs.source, view.pod(&object.spec.source_pod)),
        when_known(needs.shadow, view.shadow()),
        when_known(needs.transfer_job, view.job(names::transfer_job(&migration.uid), ROLE_TRANSFER)),
        when_known(needs.cleanup_job, view.job(names::cleanup_job(&migration.uid), ROLE_CLEANUP)),
        when_known(needs.primary, view.queue(&object.spec.broker.queue)),
        when_known(needs.replay, view.replay_queue()),
        view.replay_end(needs.replay_end),
        when_known(needs.bindings, view.bindings()),
    );
    let now = context.clock.now();
    let unowned_since = session.as_ref().and_then(|session| session.unowned_since(primary.as_ref(), now));
    let blind = !heard
        || (needs.rivalry && rivalry.is_none())
        || (needs.source && source.is_none())
        || (needs.shadow && shadow.is_none())
        || (needs.replay && replay.is_none());
    let observation = Observation {
        deletion_requested: object.metadata.deletion_timestamp.is_some(),
        generation: object.metadata.generation,
        fresh_nonce: context.entropy.token(),
        preflight,
        rivalry,
        source,
        shadow,
        transfer_job,
        cleanup_job,
        primary,
        replay,
        replay_end,
        bindings,
        replies,
        listening_since,
        unowned_since,
        outcomes,
    };
    Seen { observation, session, blind }
}

/// The session, where the phase needs one, and whether everything that it is needed for can be had from it.
async fn session(
    context: &Context,
    object: &StatefulMigration,
    migration: &MigrationRef,
    needs: &Needs,
) -> (Option<Arc<Session>>, bool) {
    // The checks before the start open one themselves, and say why they cannot.
    if !(needs.replies || needs.primary || needs.replay || needs.bindings) {
        return (None, true);
    }
    let session = match context.sessions.open(context, migration, &object.spec.broker).await {
        Ok(session) => session,
        Err(finding) => {
            tracing::warn!(reason = finding.reason, "{}", finding.message);
            return (None, false);
        }
    };
    if needs.replies
        && let Err(error) = session.listen(context, migration).await
    {
        tracing::warn!(%error, "no replies can be heard");
        return (Some(session), false);
    }
    (Some(session), true)
}

/// How one migration looks at things. What cannot be looked at is `None`: that is not the same as absent.
struct View<'a> {
    context: &'a Context,
    object: &'a StatefulMigration,
    migration: &'a MigrationRef,
    status: &'a StatefulMigrationStatus,
    session: Option<&'a Session>,
}

impl View<'_> {
    /// Straight from the API server: a watch may be late, and an absent source is a fact with consequences.
    async fn pod(&self, name: &str) -> Option<PodView> {
        let recorded = self.status.source.as_ref().map(|source| source.container.as_str());
        let container = recorded.or(self.object.spec.container.as_deref()).unwrap_or_default();
        let found = pods::api(&self.context.client, &self.migration.namespace).get_opt(name).await;
        let pod =
            found.map_err(|error| tracing::warn!(pod = name, %error, "a pod cannot be looked at")).ok()?;
        Some(pod_view::view(pod.as_ref(), container, &self.migration.uid))
    }

    async fn shadow(&self) -> Option<PodView> {
        self.pod(&names::shadow_pod(&self.object.spec.source_pod)).await
    }

    async fn job(&self, name: String, role: &str) -> Option<JobView> {
        let found = jobs::look(&self.context.client, self.migration, &name, role).await;
        found.map_err(|error| tracing::warn!(job = name, %error, "a Job cannot be looked at")).ok()
    }

    async fn queue(&self, name: &str) -> Option<QueueView> {
        let consumers = self.session?.lane.consumers(name).await;
        let consumers = consumers
            .map_err(|error| tracing::warn!(queue = name, %error, "a queue cannot be looked at"))
            .ok()?;
        Some(consumers.map_or(QueueView::Absent, |consumers| QueueView::Present { consumers }))
    }

    async fn replay_queue(&self) -> Option<QueueView> {
        let mirror = self.status.mirror.as_ref()?;
        self.queue(&mirror.replay_queue).await
    }

    /// It is followed only while somebody needs to know.
    async fn replay_end(&self, needed: bool) -> Option<u64> {
        let session = self.session?;
        match self.status.mirror.as_ref().filter(|_| needed) {
            Some(mirror) => {
                let end = session.end_of(&mirror.replay_queue).await;
                end.map_err(|error| tracing::warn!(%error, "the replay queue's end is not known")).ok()?
            }
            None => {
                session.follow_no_more();
                None
            }
        }
    }

    /// Only the management API knows them; changes cannot be noticed without it.
    async fn bindings(&self) -> Option<Vec<Binding>> {
        let facts = self.session?.broker.inspect(&self.object.spec.broker.queue).await;
        let facts = facts.map_err(|error| tracing::warn!(%error, "bindings cannot be looked at")).ok()??;
        (facts.source == FactsSource::Management)
            .then(|| facts.bindings.into_iter().map(|bound| bound.binding).collect())
    }
}

async fn when<T>(needed: bool, look: impl Future<Output = T>) -> Option<T> {
    if needed { Some(look.await) } else { None }
}

async fn when_known<T>(needed: bool, look: impl Future<Output = Option<T>>) -> Option<T> {
    when(needed, look).await.flatten()
}
