//! The operator: the only place with a loop.
//!
//! ```text
//!   controller   what wakes a migration: its object, its pods and Jobs, replies of its applications
//!      │
//!   reconcile    observe ─► protocol::decide ─► write status ─► ack replies ─► act ─► what became of it ─┐
//!      │            ▲                                                                                   │
//!      │            └───────────────────────────────────────────────────────────────────────────────────┘
//!   observe      looks at what the phase needs                  preflight   looks at everything, before the start
//!   act          does each effect: the one exhaustive match     session     a migration's way to its broker
//! ```
//!
//! Nothing durable is in this process: it may be killed at any instruction.

mod act;
mod backoff;
mod context;
mod controller;
pub mod flags;
pub mod health;
mod observe;
mod phase_changes;
mod preflight;
mod reconcile;
mod seeded;
mod session;
mod settings;

use std::sync::Arc;

use crate::{
    io::{Clock, Dial, Entropy},
    kubernetes::{client, kubelet::Kubelets},
};
use context::Context;
use health::Health;

pub use settings::{KubeletAccess, Settings};

/// What the operator gets from outside: the world.
#[derive(Clone)]
pub struct Deps {
    /// Address and credentials of the API server.
    pub cluster: kube::Config,
    /// Opens every connection.
    pub dial: Arc<dyn Dial>,
    /// Time for time stamps.
    pub clock: Arc<dyn Clock>,
    /// Randomness for nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Where it is said that the operator works.
    pub health: Health,
    /// Everything that can be set.
    pub settings: Settings,
}

/// Runs until `shutdown` resolves and what is under way then has come to its end.
///
/// # Errors
/// When the cluster's configuration cannot be used, such as a certificate that cannot be read.
pub async fn run(
    deps: Deps,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), kube::Error> {
    let client = client::build(deps.cluster.clone(), deps.dial.clone(), client::Timeouts::default())?;
    let kubelets = match &deps.settings.kubelet {
        KubeletAccess::Proxy => Kubelets::by_proxy(deps.cluster.clone(), deps.dial.clone()),
        KubeletAccess::Direct(kubelet) => {
            Kubelets::directly(deps.cluster.clone(), (**kubelet).clone(), deps.dial.clone())
        }
    };
    let health = deps.health.clone();
    let (context, wakes) = Context::new(deps, client, kubelets);
    controller::run(context, wakes, health, shutdown).await;
    Ok(())
}
