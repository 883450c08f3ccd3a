//! Does what was decided: the one place that matches every effect.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use ms2m_app::contract::{CONTRACT_VERSION, Command};

use super::{
    context::Context,
    seeded,
    session::{self, Session},
    transfer_image,
};
use crate::{
    api::{StatefulMigration, StatefulMigrationStatus, reason},
    kubernetes::{
        MigrationRef,
        failure::{failure, is_absent},
        jobs,
        kubelet::CheckpointOf,
        migrations, pods,
        services::{self, Route},
        shadow_pod::{self, Shadow},
        transfer_job::{ArchiveToPush, Leftovers, TransferJob},
    },
    protocol::{Effect, EffectFailure, EffectOutcome, EffectReport, Finding, checkpoint_timeout, names},
};

/// How long the clean-up Job may take.
const CLEANUP_DEADLINE_SECS: u64 = 120;

/// One migration's hands.
pub(super) struct Actor<'a> {
    pub(super) context: &'a Context,
    pub(super) object: &'a StatefulMigration,
    pub(super) migration: &'a MigrationRef,
    pub(super) status: &'a StatefulMigrationStatus,
}

/// Does the effects in order, up to the first that fails: what comes after it may rely on it. None is begun when another operator may
/// work.
pub(super) async fn act(actor: &Actor<'_>, effects: Vec<Effect>) -> Vec<EffectOutcome> {
    let mut outcomes = Vec::with_capacity(effects.len());
    for effect in effects {
        if !actor.context.may_act() {
            break;
        }
        let result = actor.perform(&effect).await;
        let failed = result.is_err();
        outcomes.push(EffectOutcome { effect, result });
        if failed {
            break;
        }
    }
    outcomes
}

impl Actor<'_> {
    async fn perform(&self, effect: &Effect) -> Result<EffectReport, EffectFailure> {
        match effect {
            Effect::Checkpoint { node, pod, container } => {
                return self.checkpoint(node, pod, container).await;
            }
            Effect::LabelSource => return self.label_source().await,
            Effect::UnlabelSource => {
                pods::unlabel_source(&self.pods(), &self.object.spec.source_pod, self.migration).await
            }
            Effect::CreateTransferJob { node, archive, container, container_id } => {
                let archive = ArchiveToPush { path: archive, container, pod_uid: &self.source_uid() };
                let deadline = self.object.spec.deadlines.transferring.as_duration();
                let job = self.job(node, container_id, deadline.as_secs()).push(&archive);
                jobs::create(&self.context.client, &job).await
            }
            Effect::DeleteTransferJob => self.delete_job(&names::transfer_job(&self.migration.uid)).await,
            Effect::CreateCleanupJob { node, container_id, image, by_tag } => {
                let dir = &self.context.settings.checkpoint_dir;
                let leftovers = Leftovers { dir, image: image.as_deref(), by_tag: *by_tag };
                let job = self.job(node, container_id, CLEANUP_DEADLINE_SECS).cleanup(&leftovers);
                jobs::create(&self.context.client, &job).await
            }
            Effect::DeleteCleanupJob => self.delete_job(&names::cleanup_job(&self.migration.uid)).await,
            Effect::CreateShadow { node, image } => self.create_shadow(node, image).await,
            Effect::DeleteShadow { uid } => {
                pods::delete(&self.pods(), &names::shadow_pod(&self.object.spec.source_pod), uid).await
            }
            Effect::RouteServices { shadow_uid } => self.route(shadow_uid).await,
            Effect::DeleteSource { uid } => {
                pods::delete(&self.pods(), &self.object.spec.source_pod, uid).await
            }
            Effect::RemoveFinalizer => self.remove_finalizer().await,
            Effect::DeclareReplies
            | Effect::MirrorReplay { .. }
            | Effect::UnbindReplay { .. }
            | Effect::DeleteReplay { .. }
            | Effect::PublishMarker { .. }
            | Effect::Command { .. }
            | Effect::DeleteControlQueue { .. }
            | Effect::DeleteReplies => self.tell_broker(effect).await,
        }
        .map(|()| EffectReport::Done)
    }

    /// Effects that need nothing but the broker.
    async fn tell_broker(&self, effect: &Effect) -> Result<(), EffectFailure> {
        let session = self.session().await?;
        let lane = &session.lane;
        let (doing, done) = match effect {
            Effect::DeclareReplies => {
                ("declaring the replies queue".to_owned(), session.listen(self.context, self.migration).await)
            }
            Effect::MirrorReplay { replay_queue, bindings } => (
                format!("binding the replay queue {replay_queue}"),
                lane.mirror(replay_queue, bindings).await,
            ),
            Effect::UnbindReplay { replay_queue, bindings } => (
                format!("unbinding the replay queue {replay_queue}"),
                lane.unbind(replay_queue, bindings).await,
            ),
            Effect::DeleteReplay { replay_queue } => {
                (format!("deleting the replay queue {replay_queue}"), lane.delete_queue(replay_queue).await)
            }
            Effect::PublishMarker { queue, marker } => {
                (format!("publishing a marker into {queue}"), lane.publish_marker(queue, marker).await)
            }
            Effect::Command { pod_uid, epoch, body } => {
                let command = Command {
                    version: CONTRACT_VERSION,
                    migration: self.migration.uid.clone(),
                    epoch: *epoch,
                    body: body.clone(),
                };
                (format!("telling pod {pod_uid}"), lane.send_command(pod_uid, &command).await)
            }
            Effect::DeleteControlQueue { pod_uid } => {
                for pod_uid in seeded::everybody(self.context, self.migration).await {
                    lane.delete_queue(&names::control_queue(&pod_uid))
                        .await
                        .map_err(|error| session::failure("deleting a control queue", &error))?;
                }
                (
                    "deleting a control queue".to_owned(),
                    lane.delete_queue(&names::control_queue(pod_uid)).await,
                )
            }
            Effect::DeleteReplies => {
                ("deleting the replies queue".to_owned(), session.delete_replies(self.migration).await)
            }
            Effect::LabelSource
            | Effect::UnlabelSource
            | Effect::Checkpoint { .. }
            | Effect::CreateTransferJob { .. }
            | Effect::DeleteTransferJob
            | Effect::CreateCleanupJob { .. }
            | Effect::DeleteCleanupJob
            | Effect::CreateShadow { .. }
            | Effect::DeleteShadow { .. }
            | Effect::RouteServices { .. }
            | Effect::DeleteSource { .. }
            | Effect::RemoveFinalizer => return Ok(()),
        };
        done.map_err(|error| session::failure(&doing, &error))
    }

    async fn checkpoint(
        &self,
        node: &str,
        pod: &str,
        container: &str,
    ) -> Result<EffectReport, EffectFailure> {
        let of = CheckpointOf { node, namespace: &self.migration.namespace, pod, container };
        let timeout = checkpoint_timeout(&self.object.spec);
        let path = self.context.kubelets.checkpoint(&self.context.client, &of, timeout).await?;
        Ok(EffectReport::Archive { path })
    }

    async fn label_source(&self) -> Result<EffectReport, EffectFailure> {
        let pod = &self.object.spec.source_pod;
        // First the template: a source that is labelled has one, whatever becomes of it.
        let digest = match migrations::shadow_template(self.object, self.template_digest()) {
            Ok((_, digest)) => digest,
            Err(_) => self.keep_template().await?,
        };
        pods::label_source(&self.pods(), pod, &self.source_uid(), self.migration).await?;
        Ok(EffectReport::Template { digest })
    }

    /// Writes down what a shadow is made from; its digest.
    async fn keep_template(&self) -> Result<String, EffectFailure> {
        let pod = &self.object.spec.source_pod;
        let failed = |error| {
            failure(
                &format!("keeping what a shadow of pod {pod} is made from"),
                reason::SOURCE_NOT_FOUND,
                &error,
            )
        };
        let source = self.pods().get(pod).await.map_err(failed)?;
        if source.metadata.uid.as_deref() != Some(&*self.source_uid()) {
            return Err(EffectFailure {
                reason: reason::SOURCE_LOST,
                message: format!("pod {pod} is another one by now: create a new migration for it"),
                retryable: false,
                unheard: false,
            });
        }
        let template = shadow_pod::template(&source);
        migrations::keep_shadow_template(&self.migrations(), self.object, &template).await.map_err(failed)
    }

    async fn create_shadow(&self, node: &str, image: &str) -> Result<(), EffectFailure> {
        let kept = migrations::shadow_template(self.object, self.template_digest());
        let (template, _) = kept.map_err(|lost| EffectFailure {
            reason: reason::RESTORE_FAILED,
            message: lost.to_string(),
            retryable: true,
            unheard: false,
        })?;
        let source = self.status.source.clone().unwrap_or_default();
        let shadow = Shadow {
            migration: self.migration,
            name: &names::shadow_pod(&self.object.spec.source_pod),
            container: &source.container,
            node,
            image,
            epoch: self.status.epoch.unwrap_or_default(),
            pull_secret: self.object.spec.transfer.push_secret.as_deref(),
        };
        pods::create_shadow(&self.pods(), &shadow_pod::build(&template, &shadow)).await
    }

    async fn route(&self, shadow_uid: &str) -> Result<(), EffectFailure> {
        let route = Route {
            source: &self.object.spec.source_pod,
            source_uid: &self.source_uid(),
            shadow: &names::shadow_pod(&self.object.spec.source_pod),
            shadow_uid,
        };
        services::route(&self.context.client, &self.migration.namespace, &route).await
    }

    async fn delete_job(&self, name: &str) -> Result<(), EffectFailure> {
        jobs::delete(&self.context.client, &self.migration.namespace, name).await
    }

    async fn remove_finalizer(&self) -> Result<(), EffectFailure> {
        let removed = migrations::remove_finalizer(&self.migrations(), self.object).await;
        match removed {
            Err(error) if is_absent(&error) => Ok(()),
            done => done.map_err(|error| failure("removing the finalizer", reason::LEFT_BEHIND, &error)),
        }
    }

    fn job<'b>(&'b self, node: &'b str, container_id: &'b str, deadline_secs: u64) -> TransferJob<'b> {
        TransferJob {
            migration: self.migration,
            transfer: &self.object.spec.transfer,
            image: transfer_image::of(&self.object.spec.transfer, &self.context.settings),
            node,
            container_id,
            deadline_secs,
        }
    }

    async fn session(&self) -> Result<Arc<Session>, EffectFailure> {
        let opened = self.context.sessions.open(self.context, self.migration, &self.object.spec.broker).await;
        opened.map_err(|Finding { reason, message }| EffectFailure {
            reason,
            message,
            retryable: true,
            unheard: false,
        })
    }

    fn pods(&self) -> Api<Pod> {
        pods::api(&self.context.client, &self.migration.namespace)
    }

    fn migrations(&self) -> Api<StatefulMigration> {
        migrations::api(&self.context.client, &self.migration.namespace)
    }

    fn template_digest(&self) -> Option<&str> {
        self.status.source.as_ref()?.template_digest.as_deref()
    }

    fn source_uid(&self) -> String {
        self.status.source.as_ref().map(|source| source.uid.clone()).unwrap_or_default()
    }
}
