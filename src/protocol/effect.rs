use ms2m_app::contract::{CommandBody, Marker};

use crate::api::Binding;

/// Something to do to the world.
///
/// Each is idempotent, and everything that it makes has a name derived from the migration's UID: to repeat it, or to
/// repeat it after a lost acknowledgement, changes nothing. It is done only after the status that asks for it is
/// written. Matched exhaustively in exactly one place: `operator::act`.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Declare the replies queue.
    DeclareReplies,
    /// Label the source, so that its changes wake the operator. Undone by [`Effect::UnlabelSource`].
    LabelSource,
    /// Remove that label, where the pod still exists.
    UnlabelSource,
    /// Declare `R` and bind it like `Q`. Undone by [`Effect::UnbindReplay`], [`Effect::DeleteReplay`].
    MirrorReplay {
        /// Name of `R`.
        replay_queue: String,
        /// `Q`'s bindings.
        bindings: Vec<Binding>,
    },
    /// Remove `R`'s bindings.
    UnbindReplay {
        /// Name of `R`.
        replay_queue: String,
        /// `Q`'s bindings.
        bindings: Vec<Binding>,
    },
    /// Delete `R`.
    DeleteReplay {
        /// Name of `R`.
        replay_queue: String,
    },
    /// Publish a marker into `queue` by the default exchange.
    PublishMarker {
        /// `Q` for `SYNC`, `R` for `END`.
        queue: String,
        /// The marker.
        marker: Marker,
    },
    /// Put a command into a pod's control queue.
    Command {
        /// UID of the pod.
        pod_uid: String,
        /// The epoch that it carries.
        epoch: u64,
        /// What it says.
        body: CommandBody,
    },
    /// Ask the kubelet of the source's node for a checkpoint. Undone by [`Effect::CreateCleanupJob`].
    Checkpoint {
        /// The node.
        node: String,
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// Create the Job that pushes the archive as an image. Undone by [`Effect::DeleteTransferJob`] and
    /// [`Effect::CreateCleanupJob`].
    CreateTransferJob {
        /// The source's node.
        node: String,
        /// Path of the archive on it.
        archive: String,
        /// The container that it must hold.
        container: String,
        /// The runtime's id of that container.
        container_id: String,
    },
    /// Delete that Job and its pods.
    DeleteTransferJob,
    /// Create the Job that deletes the archives on the source's node, and the image where `image` names one.
    CreateCleanupJob {
        /// The source's node.
        node: String,
        /// The runtime's id of the container whose archives are deleted.
        container_id: String,
        /// The image to delete, by digest; none when it is kept or was never pushed.
        image: Option<String>,
        /// Whether an image may have been pushed without anybody knowing its digest: delete it by its tag.
        by_tag: bool,
    },
    /// Delete that Job and its pods.
    DeleteCleanupJob,
    /// Create the shadow pod from the source's spec. Undone by [`Effect::DeleteShadow`].
    CreateShadow {
        /// The target node.
        node: String,
        /// The checkpoint image, by digest.
        image: String,
    },
    /// Delete the shadow pod of that UID.
    DeleteShadow {
        /// Its UID.
        uid: String,
    },
    /// Point the Services that selected the source at the target.
    RouteServices {
        /// UID of the shadow pod.
        shadow_uid: String,
    },
    /// Delete the source pod of that UID.
    DeleteSource {
        /// Its UID.
        uid: String,
    },
    /// Delete the control queue of a pod that is gone.
    DeleteControlQueue {
        /// UID of the pod.
        pod_uid: String,
    },
    /// Delete the replies queue.
    DeleteReplies,
    /// Remove the finalizer: the object may go.
    RemoveFinalizer,
}

/// What a successful effect has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectReport {
    /// It is done.
    Done,
    /// The archive that the kubelet wrote.
    Archive {
        /// Its path on the node.
        path: String,
    },
    /// What shadows are made from is kept.
    Template {
        /// Its SHA-256, as registries write one.
        digest: String,
    },
}

/// Why an effect did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EffectFailure {
    /// One of [`reason`](crate::api::reason).
    pub reason: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether it may succeed when it is repeated.
    pub retryable: bool,
    /// Whether a checkpoint may be under way still, because its kubelet has not said how it went. Of nothing else is this asked: it is
    /// done again, or undone, by its name.
    pub unheard: bool,
}
