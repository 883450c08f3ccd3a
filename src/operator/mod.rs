//! The operator: the only place with a loop.
//!
//! ```text
//!   leadership   which of several operators works: the Lease
//!      │
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
pub mod leadership;
mod observe;
mod phase_changes;
mod places;
mod preflight;
mod reconcile;
mod rivalry;
mod seeded;
mod session;
mod settings;
mod shadow_name;
mod transfer_image;
mod volumes;

use std::sync::Arc;

use futures::FutureExt as _;
use http::{HeaderValue, header};

use crate::{
    io::{Clock, Dial, Entropy},
    kubernetes::{client, kubelet::Kubelets, lease},
};
use context::Context;
use health::Health;
use leadership::Leadership;

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

/// Runs until `shutdown` resolves and what is under way then has come to its end. Works only while it holds the Lease.
///
/// # Errors
/// When the cluster's configuration cannot be used, such as a certificate that cannot be read.
pub async fn run(
    deps: Deps,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), kube::Error> {
    let client = client::build(deps.cluster.clone(), deps.dial.clone(), client::Timeouts::default())?;
    let mut leadership = leadership_of(&deps)?;
    let shutdown = shutdown.shared();
    loop {
        tokio::select! {
            () = leadership.gain(&deps.health) => {}
            () = shutdown.clone() => return Ok(()),
        }
        tracing::info!("this is the operator that works");
        let (context, wakes) = Context::new(deps.clone(), client.clone(), kubelets(&deps), leadership.term());
        tokio::select! {
            () = controller::run(context, wakes, deps.health.clone(), shutdown.clone()) => {
                leadership.release().await;
                return Ok(());
            }
            // What is under way is dropped, as by a crash, and taken up again from what is written down: by another, or by this one.
            () = leadership.keep() => {}
        }
    }
}

/// With a client of its own: a renewal must not wait behind anything.
fn leadership_of(deps: &Deps) -> Result<Leadership, kube::Error> {
    let mut cluster = deps.cluster.clone();
    cluster.headers.push((header::USER_AGENT, HeaderValue::from_static(lease::USER_AGENT)));
    let client = client::build(cluster, deps.dial.clone(), client::Timeouts::default())?;
    let namespace = deps.settings.lease_namespace.as_ref().unwrap_or(&deps.cluster.default_namespace);
    Ok(Leadership::new(client, namespace, &deps.settings, deps.clock.clone()))
}

fn kubelets(deps: &Deps) -> Kubelets {
    match &deps.settings.kubelet {
        KubeletAccess::Proxy => Kubelets::by_proxy(deps.cluster.clone(), deps.dial.clone()),
        KubeletAccess::Direct(kubelet) => {
            Kubelets::directly(deps.cluster.clone(), (**kubelet).clone(), deps.dial.clone())
        }
    }
}
