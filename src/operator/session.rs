//! A migration's way to its broker: a shared connection, a lane of its own, and the replies that wait.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use jiff::Timestamp;
use ms2m_app::contract::replies_queue;

use super::context::Context;
use crate::{
    api::{BrokerSpec, reason},
    broker::{
        Broker, BrokerError, Lane, StreamTail,
        inbox::ReplyInbox,
        rabbitmq::{ManagementUrl, RabbitMq, parse_amqp_url},
    },
    kubernetes::{MigrationRef, secrets},
    protocol::{EffectFailure, Finding, PendingReply, QueueView},
};

/// One migration's.
pub(super) struct Session {
    /// For facts about queues.
    pub(super) broker: Arc<dyn Broker>,
    /// For everything else.
    pub(super) lane: Arc<dyn Lane>,
    inbox: Mutex<Inbox>,
    tail: Mutex<Option<Arc<StreamTail>>>,
    unowned_since: Mutex<Option<Timestamp>>,
}

enum Inbox {
    /// Nobody listens yet.
    Closed,
    /// Replies are collected, since then.
    Open(Arc<ReplyInbox>, Timestamp),
    /// The queue was deleted: to listen would declare it again.
    Deleted,
}

impl Session {
    /// Listens to the applications' replies; declares their queue, so that it may be called at any time.
    pub(super) async fn listen(
        &self,
        context: &Context,
        migration: &MigrationRef,
    ) -> Result<(), BrokerError> {
        if !matches!(&*lock(&self.inbox), Inbox::Closed) {
            return Ok(());
        }
        let queue = replies_queue(&migration.uid);
        self.lane.declare_replies(&queue).await?;
        let inbox = self.lane.replies(&queue, context.waker(migration)).await?;
        *lock(&self.inbox) = Inbox::Open(Arc::new(inbox), context.clock.now());
        Ok(())
    }

    /// Since when replies are listened to.
    pub(super) fn listening_since(&self) -> Option<Timestamp> {
        match &*lock(&self.inbox) {
            Inbox::Open(_, since) => Some(*since),
            Inbox::Closed | Inbox::Deleted => None,
        }
    }

    /// Since when nobody consumes the primary queue, after another look at it.
    pub(super) fn unowned_since(&self, primary: Option<&QueueView>, now: Timestamp) -> Option<Timestamp> {
        let mut since = lock(&self.unowned_since);
        *since = QueueView::unowned_since(primary, *since, now);
        *since
    }

    /// The replies that wait, oldest first.
    pub(super) fn replies(&self) -> Vec<PendingReply> {
        self.open_inbox().map(|inbox| inbox.snapshot()).unwrap_or_default()
    }

    /// How many messages were ever written to the stream; none while that is not known. It is followed from the first
    /// time it is asked for.
    pub(super) async fn end_of(&self, stream: &str) -> Result<Option<u64>, BrokerError> {
        let followed = lock(&self.tail).clone().filter(|tail| tail.is_open());
        if let Some(tail) = followed {
            return Ok(tail.end());
        }
        let tail = Arc::new(self.lane.tail(stream).await?);
        *lock(&self.tail) = Some(tail.clone());
        Ok(tail.end())
    }

    /// Nobody needs to know where the stream ends any more.
    pub(super) fn follow_no_more(&self) {
        *lock(&self.tail) = None;
    }

    /// Acks replies whose effect is recorded.
    pub(super) async fn ack(&self, ids: &[u64]) {
        if let Some(inbox) = self.open_inbox() {
            inbox.ack(ids).await;
        }
    }

    /// Nobody has anything left to say: deletes the queue of replies.
    pub(super) async fn delete_replies(&self, migration: &MigrationRef) -> Result<(), BrokerError> {
        self.lane.delete_queue(&replies_queue(&migration.uid)).await?;
        *lock(&self.inbox) = Inbox::Deleted;
        Ok(())
    }

    fn open_inbox(&self) -> Option<Arc<ReplyInbox>> {
        match &*lock(&self.inbox) {
            Inbox::Open(inbox, _) => Some(inbox.clone()),
            Inbox::Closed | Inbox::Deleted => None,
        }
    }

    /// Whether it can be used further.
    fn is_open(&self) -> bool {
        self.lane.is_open()
            && match &*lock(&self.inbox) {
                Inbox::Open(inbox, _) => inbox.is_open(),
                Inbox::Closed | Inbox::Deleted => true,
            }
    }

    fn has_deleted_replies(&self) -> bool {
        matches!(&*lock(&self.inbox), Inbox::Deleted)
    }
}

/// All sessions, by the migration's UID, and the connections that they share.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    sessions: BTreeMap<String, Arc<Session>>,
    /// By the URLs, which are the whole of what makes a connection. One that no session uses any more is closed.
    brokers: BTreeMap<(String, Option<String>), Weak<RabbitMq>>,
}

impl Sessions {
    /// The migration's session, made when there is none or it broke.
    pub(super) async fn open(
        &self,
        context: &Context,
        migration: &MigrationRef,
        spec: &BrokerSpec,
    ) -> Result<Arc<Session>, Finding> {
        let known = lock(&self.0).sessions.get(&migration.uid).cloned();
        let inbox = match known {
            Some(session) if session.is_open() => return Ok(session),
            Some(broken) if broken.has_deleted_replies() => Inbox::Deleted,
            _ => Inbox::Closed,
        };
        self.forget(&migration.uid);
        let broker = self.broker(context, migration, spec).await?;
        let lane = broker.lane().await.map_err(|error| finding(&error))?;
        let session = Arc::new(Session {
            broker,
            lane,
            inbox: Mutex::new(inbox),
            tail: Mutex::default(),
            unowned_since: Mutex::default(),
        });
        lock(&self.0).sessions.insert(migration.uid.clone(), session.clone());
        Ok(session)
    }

    /// Closes the migration's session, if it has one.
    pub(super) fn forget(&self, uid: &str) {
        lock(&self.0).sessions.remove(uid);
    }

    /// The connection for these URLs. The Secrets are read each time, because a session that broke may need new ones.
    async fn broker(
        &self,
        context: &Context,
        migration: &MigrationRef,
        spec: &BrokerSpec,
    ) -> Result<Arc<RabbitMq>, Finding> {
        let read = async |key| secrets::read(&context.client, &migration.namespace, key).await;
        let url = read(&spec.url_secret).await?;
        let management = match &spec.management_url_secret {
            Some(key) => Some(read(key).await?),
            None => None,
        };
        let invalid = |secret: &str, error: &dyn std::fmt::Display| Finding {
            reason: reason::SECRET_INVALID,
            message: format!("Secret {secret}: {error}"),
        };
        let uri = parse_amqp_url(&url).map_err(|error| invalid(&spec.url_secret.name, &error))?;
        let management_url = match (&management, &spec.management_url_secret) {
            (Some(text), Some(key)) => {
                Some(ManagementUrl::parse(text).map_err(|error| invalid(&key.name, &error))?)
            }
            _ => None,
        };
        let mut table = lock(&self.0);
        table.brokers.retain(|_, broker| broker.strong_count() > 0);
        let key = (url, management);
        if let Some(shared) = table.brokers.get(&key).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        let deadline = context.settings.broker_deadline;
        let broker = Arc::new(RabbitMq::new(uri, management_url, context.dial.clone(), deadline));
        table.brokers.insert(key, Arc::downgrade(&broker));
        Ok(broker)
    }
}

/// What an error of the broker means for the checks before the start.
pub(super) fn finding(error: &BrokerError) -> Finding {
    Finding { reason: reason_of(error), message: error.to_string() }
}

/// What it means for the effect that met it.
pub(super) fn failure(doing: &str, error: &BrokerError) -> EffectFailure {
    EffectFailure {
        reason: reason_of(error),
        message: format!("{doing}: {error}"),
        retryable: error.is_retryable(),
        unheard: false,
    }
}

fn reason_of(error: &BrokerError) -> &'static str {
    match error {
        BrokerError::Unreachable(_) | BrokerError::Timeout { .. } | BrokerError::Management { .. } => {
            reason::BROKER_UNREACHABLE
        }
        BrokerError::Refused(_) | BrokerError::Precondition(_) | BrokerError::Unwritable(_) => {
            reason::BROKER_REFUSED
        }
        BrokerError::Unroutable(_) => reason::SOURCE_NOT_MIGRATABLE,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_broker_has_a_reason_that_says_whose_turn_it_is() {
        let unreachable = BrokerError::Unreachable("refused".to_owned());
        assert_eq!(finding(&unreachable).reason, reason::BROKER_UNREACHABLE);
        let refused = failure("binding the replay queue", &BrokerError::Refused("no configure".to_owned()));
        assert_eq!((refused.reason, refused.retryable), (reason::BROKER_REFUSED, false));
        assert!(refused.message.starts_with("binding the replay queue: "), "{}", refused.message);
    }
}
