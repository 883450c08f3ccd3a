use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ms2m_app::{
    Ledger,
    contract::{CommandBody, Marker, MessageId, MissingMessages, Reply, ReplyBody},
};

use crate::{
    api::{Binding, reason},
    protocol::{
        Effect, EffectFailure, EffectReport, JobView, Observation, PendingReply, PodFacts, PodView,
        Preflight, QueueView, Rivalry, tests::script::spec,
    },
};

pub(super) const MIGRATION: &str = "11111111-2222-3333-4444-555555555555";
pub(super) const SOURCE: &str = "source-uid";

/// The smallest world in which a migration can happen: two pods, two Jobs, queues, and two obedient applications.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) source: Option<App>,
    pub(super) source_labelled: bool,
    pub(super) shadow: Option<App>,
    pub(super) shadows_made: u32,
    /// The next shadows come up without the RAM.
    pub(super) restores_fresh: bool,
    /// The source's application does not speak the contract.
    pub(super) mute: bool,
    /// The application in the shadow says `HELLO` and obeys nothing.
    pub(super) target_is_deaf: bool,
    pub(super) checkpoint_failures: u32,
    pub(super) transfer_fails: bool,
    /// Somebody binds the primary queue to something else, too.
    pub(super) bindings_change: bool,
    pub(super) archive: bool,
    pub(super) image: bool,
    pub(super) transfer_job: Option<JobView>,
    pub(super) cleanup_job: Option<JobView>,
    pub(super) replay: Option<Replay>,
    pub(super) replies_declared: bool,
    pub(super) control_queues: BTreeMap<String, Vec<(u64, CommandBody)>>,
    pub(super) services_route_to: String,
    pub(super) deletion_requested: bool,
    pub(super) finalizer: bool,
    pub(super) replies: Vec<PendingReply>,
    pub(super) checkpointed: App,
    pub(super) said: u64,
    pub(super) nonces: u64,
}

/// A process and what its RAM holds.
#[derive(Clone, Debug, Default)]
pub(super) struct App {
    pub(super) uid: String,
    pub(super) container: String,
    pub(super) owns: bool,
    pub(super) ended: bool,
    pub(super) nonce: Option<String>,
    pub(super) epoch: u64,
    pub(super) ledger: Ledger,
    pub(super) session: String,
    replaying: bool,
    complete: Option<Option<Ledger>>,
    ends_seen: BTreeSet<u32>,
    /// Lacks a message that the source has, and cannot get it.
    pub(super) lacks: bool,
    /// Says that it has everything, without looking.
    pub(super) is_hasty: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Replay {
    pub(super) bound: bool,
}

impl World {
    pub(super) fn new() -> Self {
        let mut ledger = Ledger::default();
        ledger.insert(&MessageId { producer: "p".into(), seq: 1 });
        let source = App {
            uid: SOURCE.into(),
            container: "c1".into(),
            owns: true,
            ledger,
            epoch: 6,
            ..Default::default()
        };
        let control_queues = [(SOURCE.to_owned(), Vec::new())].into();
        let services_route_to = SOURCE.to_owned();
        Self {
            source: Some(source),
            control_queues,
            services_route_to,
            finalizer: true,
            ..Default::default()
        }
    }

    pub(super) fn owners(&self) -> usize {
        [&self.source, &self.shadow].into_iter().flatten().filter(|app| app.owns && !app.ended).count()
    }

    /// Everything that a migration makes.
    pub(super) fn leftovers(&self) -> Vec<&'static str> {
        let found = [
            ("replay queue", self.replay.is_some()),
            ("replies queue", self.replies_declared),
            ("transfer job", self.transfer_job.is_some()),
            ("clean-up job", self.cleanup_job.is_some()),
            ("archive", self.archive),
            ("image", self.image),
            ("label", self.source.is_some() && self.source_labelled),
            ("control queue of a pod that is gone", self.control_queues.keys().any(|uid| !self.lives(uid))),
        ];
        found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }

    fn lives(&self, uid: &str) -> bool {
        [&self.source, &self.shadow].into_iter().flatten().any(|app| app.uid == uid)
    }

    pub(super) fn observe(&mut self) -> Observation {
        self.nonces += 1;
        let view = |app: &Option<App>, labelled| {
            Some(app.as_ref().map_or(PodView::Absent, |app| {
                PodView::Present(PodFacts {
                    uid: app.uid.clone(),
                    node: "n".into(),
                    container_id: app.container.clone(),
                    running: !app.ended,
                    ended: app.ended,
                    labelled,
                    ..Default::default()
                })
            }))
        };
        let binding = |exchange: &str| Binding {
            exchange: exchange.into(),
            routing_key: "k".into(),
            arguments: BTreeMap::default(),
        };
        let mut bindings = vec![binding("x")];
        bindings.extend(self.bindings_change.then(|| binding("y")));
        let consumers = u32::try_from(self.owners()).unwrap();
        Observation {
            deletion_requested: self.deletion_requested,
            generation: Some(1),
            fresh_nonce: format!("nonce-{}", self.nonces),
            preflight: Some(Preflight {
                container: "main".into(),
                target_node: "n2".into(),
                bindings: bindings.clone(),
                ..Default::default()
            }),
            rivalry: Some(Rivalry::Alone),
            source: view(&self.source, self.source_labelled),
            shadow: view(&self.shadow, true),
            transfer_job: Some(self.transfer_job.clone().unwrap_or(JobView::Absent)),
            cleanup_job: Some(self.cleanup_job.clone().unwrap_or(JobView::Absent)),
            primary: Some(QueueView::Present { consumers }),
            replay: Some(
                self.replay.as_ref().map_or(QueueView::Absent, |_| QueueView::Present { consumers: 0 }),
            ),
            replay_end: self.replay.as_ref().map(|_| 4),
            bindings: Some(bindings),
            replies: self.replies.clone(),
            listening_since: Some(Timestamp::UNIX_EPOCH),
            unowned_since: None,
            outcomes: Vec::new(),
        }
    }

    /// Lets the applications and the cluster do what they do by themselves.
    pub(super) fn tick(&mut self) {
        if let Some(job) = &mut self.transfer_job
            && *job == JobView::Running
        {
            *job = if self.transfer_fails {
                JobView::Failed { reason: "RegistryForbidden".into(), message: "403".into() }
            } else {
                self.image = true;
                JobView::Succeeded { message: super::script::pushed() }
            };
        }
        if self.cleanup_job == Some(JobView::Running) {
            self.archive = false;
            self.image = false;
            self.cleanup_job = Some(JobView::Succeeded { message: String::new() });
        }
        self.obey_commands();
        let Some(shadow) = self.shadow.clone().filter(|shadow| !shadow.ended) else { return };
        if shadow.replaying {
            let session = shadow.session.clone();
            self.say(&shadow, ReplyBody::Progress { session, read: 4, applied: 1, skipped: 3, held: 0 });
        } else {
            let (session, nonce, ledger) =
                (shadow.session.clone(), shadow.nonce.clone(), shadow.ledger.clone());
            self.say(&shadow, ReplyBody::Hello { session, nonce, ledger });
        }
    }

    fn obey_commands(&mut self) {
        for uid in [SOURCE.to_owned(), self.shadow.as_ref().map(|app| app.uid.clone()).unwrap_or_default()] {
            let commands = self.control_queues.get_mut(&uid).map(std::mem::take).unwrap_or_default();
            for (epoch, body) in commands {
                if uid == SOURCE { self.source_obeys(epoch, body) } else { self.shadow_obeys(body) }
            }
        }
    }

    fn source_obeys(&mut self, epoch: u64, body: CommandBody) {
        let Some(mut app) = self.source.take() else { return };
        if !app.ended && !self.mute {
            let reply = match body {
                CommandBody::Probe => Some(ReplyBody::Probed {
                    last_epoch: app.epoch,
                    nonce: app.nonce.clone(),
                    owner: app.owns,
                    queue: Some(spec().broker.queue),
                    sequenced: true,
                }),
                CommandBody::Stop => {
                    app.owns = false;
                    app.epoch = epoch;
                    Some(ReplyBody::Stopped { nonce: app.nonce.clone(), ledger: app.ledger.clone() })
                }
                CommandBody::Resume => {
                    app.owns = self.shadow.as_ref().is_none_or(|shadow| !shadow.owns);
                    Some(ReplyBody::Resumed { nonce: app.nonce.clone() })
                }
                _ => None,
            };
            if let Some(reply) = reply {
                self.say(&app, reply);
            }
        }
        self.source = Some(app);
    }

    fn shadow_obeys(&mut self, body: CommandBody) {
        let Some(mut app) = self.shadow.take() else { return };
        if !app.ended && !self.target_is_deaf {
            match body {
                CommandBody::StartReplay { session, .. } if session == app.session => {
                    app.replaying = true;
                    self.say(&app, ReplyBody::ReplayStarted { session });
                }
                CommandBody::EndReplay { session, ledger } if session == app.session => {
                    app.complete = Some(ledger);
                    self.answer_ends(&mut app);
                }
                CommandBody::TakeOver { session } if session == app.session => {
                    app.owns = true;
                    self.say(&app, ReplyBody::Switched { session, ledger: app.ledger.clone() });
                }
                _ => {}
            }
        }
        self.shadow = Some(app);
    }

    fn answer_ends(&mut self, app: &mut App) {
        let Some(complete) = app.complete.clone() else { return };
        for round in app.ends_seen.clone() {
            let session = app.session.clone();
            let body = if app.lacks && app.is_hasty && complete.is_some() {
                ReplyBody::Drained { session, round, ledger: Ledger::default() }
            } else if app.lacks && complete.is_some() {
                let missing = MissingMessages { producer: "p".into(), first: 1, last: 1 };
                ReplyBody::Gap { session, round, missing: vec![missing] }
            } else {
                if let Some(ledger) = &complete {
                    app.ledger = ledger.clone();
                }
                ReplyBody::Drained { session, round, ledger: app.ledger.clone() }
            };
            self.say(app, body);
        }
    }

    /// The process in the shadow pod lost its connection: it draws a session, and reads nothing until it is told to.
    pub(super) fn shadow_reconnects(&mut self) {
        self.said += 1;
        let number = self.said;
        if let Some(shadow) = &mut self.shadow {
            shadow.session = format!("{}-{number}", shadow.uid);
            shadow.replaying = false;
            shadow.complete = None;
            shadow.ends_seen.clear();
        }
    }

    /// Whatever somebody says, where there is a queue for it.
    pub(super) fn overhear(&mut self, reply: Reply) {
        if self.replies_declared {
            self.said += 1;
            self.replies.push(PendingReply { id: self.said, reply: Some(reply) });
        }
    }

    fn say(&mut self, app: &App, body: ReplyBody) {
        if !self.replies_declared {
            return;
        }
        self.said += 1;
        let reply = Reply {
            version: 1,
            migration: MIGRATION.into(),
            epoch: app.epoch,
            pod_uid: app.uid.clone(),
            body,
        };
        self.replies.push(PendingReply { id: self.said, reply: Some(reply) });
    }

    /// The one place that changes the world on the operator's behalf; every effect is idempotent, as the real ones.
    pub(super) fn act(&mut self, effect: &Effect) -> Result<EffectReport, EffectFailure> {
        match effect {
            Effect::DeclareReplies => self.replies_declared = true,
            Effect::DeleteReplies => {
                self.replies_declared = false;
                self.replies.clear();
            }
            Effect::LabelSource => {
                self.source_labelled = true;
                return Ok(EffectReport::Template { digest: "sha256:00".into() });
            }
            Effect::UnlabelSource => self.source_labelled = false,
            Effect::MirrorReplay { .. } => self.replay = Some(Replay { bound: true }),
            Effect::UnbindReplay { .. } => {
                if let Some(replay) = &mut self.replay {
                    replay.bound = false;
                }
            }
            Effect::DeleteReplay { .. } => self.replay = None,
            Effect::PublishMarker { marker, .. } => self.publish(marker),
            Effect::Command { pod_uid, epoch, body } => return self.command(pod_uid, *epoch, body),
            Effect::Checkpoint { .. } => return self.checkpoint(),
            Effect::CreateTransferJob { .. } => drop(self.transfer_job.get_or_insert(JobView::Running)),
            Effect::DeleteTransferJob => self.transfer_job = None,
            Effect::CreateCleanupJob { .. } => drop(self.cleanup_job.get_or_insert(JobView::Running)),
            Effect::DeleteCleanupJob => self.cleanup_job = None,
            Effect::CreateShadow { .. } => self.create_shadow(),
            Effect::DeleteShadow { uid } => {
                if self.shadow.as_ref().is_some_and(|app| app.uid == *uid) {
                    self.shadow = None;
                }
            }
            Effect::RouteServices { shadow_uid } => self.services_route_to.clone_from(shadow_uid),
            Effect::DeleteSource { uid } => {
                if self.source.as_ref().is_some_and(|app| app.uid == *uid) {
                    self.source = None;
                }
            }
            Effect::DeleteControlQueue { pod_uid } => drop(self.control_queues.remove(pod_uid)),
            Effect::RemoveFinalizer => self.finalizer = false,
        }
        Ok(EffectReport::Done)
    }

    fn publish(&mut self, marker: &Marker) {
        match marker {
            Marker::Sync { epoch, nonce, .. } => {
                let Some(mut app) = self.source.take() else { return };
                if !app.ended {
                    app.nonce = Some(nonce.clone());
                    app.epoch = *epoch;
                    self.say(&app, ReplyBody::Synced { nonce: nonce.clone(), ledger: app.ledger.clone() });
                }
                self.source = Some(app);
            }
            Marker::End { session, round, .. } => {
                let Some(mut app) = self.shadow.take() else { return };
                if !app.ended && app.session == *session && self.replay.is_some() {
                    app.ends_seen.insert(*round);
                    self.answer_ends(&mut app);
                }
                self.shadow = Some(app);
            }
        }
    }

    fn command(&mut self, uid: &str, epoch: u64, body: &CommandBody) -> Result<EffectReport, EffectFailure> {
        match self.control_queues.get_mut(uid) {
            Some(queue) => queue.push((epoch, body.clone())),
            None => {
                return Err(EffectFailure {
                    reason: reason::SOURCE_NOT_MIGRATABLE,
                    message: "no control queue".into(),
                    retryable: true,
                    unheard: false,
                });
            }
        }
        Ok(EffectReport::Done)
    }

    fn checkpoint(&mut self) -> Result<EffectReport, EffectFailure> {
        let failure = |message: &str| EffectFailure {
            reason: reason::CHECKPOINT_FAILED,
            message: message.into(),
            retryable: true,
            unheard: false,
        };
        if self.checkpoint_failures > 0 {
            self.checkpoint_failures -= 1;
            return Err(failure("in-flight connection"));
        }
        if self.source.as_ref().is_none_or(|app| app.ended) {
            return Err(failure("no such container"));
        }
        self.checkpointed = self.source.clone().unwrap_or_default();
        self.archive = true;
        Ok(EffectReport::Archive { path: "/var/lib/kubelet/checkpoints/c.tar".into() })
    }

    pub(super) fn create_shadow(&mut self) {
        if self.shadow.is_some() {
            return;
        }
        self.shadows_made += 1;
        let uid = format!("shadow-{}", self.shadows_made);
        let mut shadow = App {
            uid: uid.clone(),
            container: uid.clone(),
            session: format!("session-{}", self.shadows_made),
            ..Default::default()
        };
        if !self.restores_fresh {
            shadow.nonce.clone_from(&self.checkpointed.nonce);
            shadow.epoch = self.checkpointed.epoch;
            shadow.ledger = self.checkpointed.ledger.clone();
        }
        (shadow.lacks, shadow.is_hasty) = (self.checkpointed.lacks, self.checkpointed.is_hasty);
        self.control_queues.entry(uid).or_default();
        self.shadow = Some(shadow);
    }
}
