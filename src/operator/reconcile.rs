//! One migration's turn: look, decide, write down, ack, act, and take in what became of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use kube::{ResourceExt as _, runtime::controller::Action};

use ms2m_app::seeded_bug::{self, SeededBug};

use super::{
    act::{Actor, act},
    context::Context,
    observe::observe,
    phase_changes, seeded,
};
use crate::{
    api::{FINALIZER, StatefulMigration, StatefulMigrationStatus},
    kubernetes::{
        MigrationRef,
        failure::{is_absent, is_conflict},
        migrations,
    },
    protocol::{Decision, Effect, EffectOutcome, Migration, Observation, needs},
};

/// How often in one turn the object may have changed under our hands, or a decision may lead to the next. There is no
/// chain of decisions as long as this; should there be one, the next turn goes on with it.
const ROUNDS_MAX: usize = 32;

/// Why a turn ended early. The next one starts from what is written down.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    /// The object could not be read or written.
    #[error("the migration cannot be {doing}: {error}")]
    Object {
        doing: &'static str,
        #[source]
        error: kube::Error,
    },
    /// Another operator may work: this one decides nothing more.
    #[error("the Lease was not renewed in time")]
    NotElected,
    /// A bug of the operator; the log has its place.
    #[error("the operator panicked: please report the lines of the log before this one")]
    Panicked,
}

fn when(doing: &'static str) -> impl FnOnce(kube::Error) -> ReconcileError {
    move |error| ReconcileError::Object { doing, error }
}

/// Takes one migration as far as it goes now. A panic on the way is that migration's error: kube would end the operator, and
/// with it every other migration, as often as it is started.
pub(super) async fn reconcile(
    cached: Arc<StatefulMigration>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    caught(take_turn(cached, context)).await
}

/// Whatever a turn leaves half done can be seen in the status and in the world, by which the next one goes.
async fn caught<T>(turn: impl Future<Output = Result<T, ReconcileError>>) -> Result<T, ReconcileError> {
    AssertUnwindSafe(turn).catch_unwind().await.unwrap_or(Err(ReconcileError::Panicked))
}

async fn take_turn(cached: Arc<StatefulMigration>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    // Another operator goes on with it.
    let Some(_place) = context.places.take().await else { return Ok(Action::await_change()) };
    let migration = MigrationRef::of(&cached);
    let next = match begin(&context, &migration).await? {
        Some(object) => Box::pin(Turn::new(&context, &migration, object).take()).await?,
        None => Next::Over,
    };
    context.succeeded(&migration.uid);
    Ok(match next {
        Next::Rest(wait) => Action::requeue(wait),
        Next::Over => {
            context.sessions.forget(&migration.uid);
            Action::await_change()
        }
    })
}

/// The object as it is now, with its finalizer; none when there is nothing to do for it.
///
/// It is read, because the watch may be behind our own last write, and a decision that is made twice asks twice.
async fn begin(
    context: &Context,
    migration: &MigrationRef,
) -> Result<Option<StatefulMigration>, ReconcileError> {
    let Some(object) = read(context, migration).await? else { return Ok(None) };
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(Some(object));
    }
    let ended = object.status.as_ref().is_some_and(|status| status.phase.is_terminal());
    if ended || object.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let migrations = migrations::api(&context.client, &migration.namespace);
    migrations::add_finalizer(&migrations, &object).await.map(Some).map_err(when("given its finalizer"))
}

/// The object of that UID; another of its name is not it.
async fn read(
    context: &Context,
    migration: &MigrationRef,
) -> Result<Option<StatefulMigration>, ReconcileError> {
    let migrations = migrations::api(&context.client, &migration.namespace);
    let found = migrations.get_opt(&migration.name).await.map_err(when("read"))?;
    Ok(found.filter(|object| object.uid().as_ref() == Some(&migration.uid)))
}

/// What comes after a turn.
enum Next {
    /// Look again then, unless something wakes us earlier.
    Rest(Duration),
    /// Nothing, until the object changes.
    Over,
}

struct Turn<'a> {
    context: &'a Context,
    migration: &'a MigrationRef,
    object: StatefulMigration,
    /// What the effects of the last round came to.
    outcomes: Vec<EffectOutcome>,
    /// What was done in this turn: a decision may ask for it until it is visible, but once is enough.
    done: Vec<Effect>,
    failed: bool,
}

impl<'a> Turn<'a> {
    fn new(context: &'a Context, migration: &'a MigrationRef, object: StatefulMigration) -> Self {
        Self { context, migration, object, outcomes: Vec::new(), done: Vec::new(), failed: false }
    }

    async fn take(mut self) -> Result<Next, ReconcileError> {
        for _ in 0..ROUNDS_MAX {
            if let Some(next) = Box::pin(self.round()).await? {
                return Ok(next);
            }
        }
        Ok(Next::Rest(Duration::ZERO))
    }

    /// None when another round is due.
    async fn round(&mut self) -> Result<Option<Next>, ReconcileError> {
        let look = observe(self.context, &self.object, self.migration, self.outcomes.clone());
        let seen = Box::pin(look).await;
        if !self.context.may_act() {
            return Err(ReconcileError::NotElected);
        }
        let before = self.object.status.clone().unwrap_or_default();
        let decision = self.decide(&before, &seen.observation);
        if decision.status != before {
            match self.write(&decision).await? {
                Written::Yes => {}
                Written::Conflict => return Ok(None),
                Written::Gone => return Ok(Some(Next::Over)),
            }
        }
        self.outcomes.clear();
        if let Some(session) = &seen.session {
            session.ack(&decision.ack).await;
        }
        let changes = phase_changes::between(&before, &decision.status);
        let tell = phase_changes::tell(self.context, self.migration, &changes);
        let due: Vec<Effect> =
            decision.effects.into_iter().filter(|effect| !self.done.contains(effect)).collect();
        if self.failed || due.is_empty() {
            tell.await;
            // The new phase waits for something that this one did not look at.
            if !self.failed && needs(&before) != needs(&decision.status) {
                return Ok(None);
            }
            let blind = self.context.settings.intervals.blind;
            let wait = decision.requeue_after.map(|wait| if seen.blind { wait.min(blind) } else { wait });
            return Ok(Some(wait.map_or(Next::Over, Next::Rest)));
        }
        let actor = Actor {
            context: self.context,
            object: &self.object,
            migration: self.migration,
            status: &decision.status,
        };
        let (outcomes, ()) = tokio::join!(act(&actor, due), tell);
        Ok(self.take_in(outcomes))
    }

    fn decide(&self, status: &StatefulMigrationStatus, seen: &Observation) -> Decision {
        let (uid, spec) = (&self.migration.uid, &self.object.spec);
        let migration = Migration { uid, spec, status, intervals: &self.context.settings.intervals };
        seeded::decide(&migration, seen, self.context.clock.now())
    }

    fn take_in(&mut self, outcomes: Vec<EffectOutcome>) -> Option<Next> {
        for EffectOutcome { effect, result } in &outcomes {
            match result {
                Ok(_) => tracing::debug!(migration = self.migration.name, ?effect, "done"),
                Err(failure) => {
                    tracing::warn!(migration = self.migration.name, reason = failure.reason, "{failure}");
                    self.failed = true;
                }
            }
        }
        let released = outcomes.iter().any(|o| o.effect == Effect::RemoveFinalizer && o.result.is_ok());
        self.done.extend(outcomes.iter().filter(|o| o.result.is_ok()).map(|o| o.effect.clone()));
        self.outcomes = outcomes;
        released.then_some(Next::Over)
    }

    async fn write(&mut self, decision: &Decision) -> Result<Written, ReconcileError> {
        let migrations = migrations::api(&self.context.client, &self.migration.namespace);
        match migrations::write_status(&migrations, &self.object, &decision.status).await {
            Ok(object) => self.object = object,
            // Somebody wrote meanwhile: decide anew about what is there now, with what the last effects came to.
            Err(error) if is_conflict(&error) && seeded_bug::is(SeededBug::IgnoreConflict) => {
                tracing::warn!(%error, "taken for written");
            }
            Err(error) if is_conflict(&error) => match read(self.context, self.migration).await? {
                Some(object) => {
                    self.object = object;
                    return Ok(Written::Conflict);
                }
                None => return Ok(Written::Gone),
            },
            Err(error) if is_absent(&error) => return Ok(Written::Gone),
            Err(error) => return Err(when("written")(error)),
        }
        Ok(Written::Yes)
    }
}

enum Written {
    Yes,
    Conflict,
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_error_of_the_one_migration() {
        let ended = caught(async { if true { panic!("a bug") } else { Ok(()) } }).await;
        assert!(matches!(ended, Err(ReconcileError::Panicked)));
    }
}
