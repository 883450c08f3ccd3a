//! The control plane of a run: the simulation's API server, or a real one.

mod kubernetes;
mod rights;
mod simulated;
mod workloads;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, CustomResourceExt as _, api::PostParams};
use ms2m::api::StatefulMigration;
use tokio_rustls::TlsAcceptor;

use self::{kubernetes::Kubernetes, simulated::Simulated};
use super::{authority::Authority, network::HUB};
use crate::process::patiently;

const PORT: u16 = 6443;
pub(super) use rights::NAMESPACE as OPERATOR_NAMESPACE;

/// Where the programs of a real API server are, as envtest and kubebuilder have it.
const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// How long the API server may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What serves the Kubernetes API.
pub(super) enum ControlPlane {
    /// The simulation's, in this process.
    Simulated(Simulated),
    /// etcd and kube-apiserver, and a stand-in for the controllers of Jobs.
    Kubernetes(Kubernetes),
}

impl ControlPlane {
    /// The folder with etcd and kube-apiserver, when a real API server is asked for.
    pub(super) fn assets() -> Option<PathBuf> {
        std::env::var_os(ASSETS).filter(|folder| !folder.is_empty()).map(PathBuf::from)
    }

    /// Says what to do when a real API server is asked for, and is not there.
    pub(super) fn check_assets() -> anyhow::Result<()> {
        let Some(folder) = Self::assets() else { return Ok(()) };
        for program in kubernetes::PROGRAMS {
            if !folder.join(program).is_file() {
                anyhow::bail!(
                    "{ASSETS} is {}, which has no {program}: point it to envtest's binaries (setup-envtest, or \
                     scripts/build-kubebuilder-assets.sh), or unset it to use the simulation's API server",
                    folder.display()
                );
            }
        }
        Ok(())
    }

    /// Starts it, and writes its kubeconfig.
    pub(super) async fn up(work: &Path, authority: &Authority) -> anyhow::Result<Self> {
        match Self::assets() {
            Some(assets) => Ok(Self::Kubernetes(Kubernetes::up(&assets, work, authority).await?)),
            None => Ok(Self::Simulated(Simulated::up(work).await?)),
        }
    }

    /// Makes ready what a user has installed before.
    pub(super) async fn populate(&self, client: &Client) -> anyhow::Result<()> {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(rights::NAMESPACE.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let namespaces = Api::all(client.clone());
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .context("the operator's namespace is refused")?;
        match self {
            // It knows the definition already.
            Self::Simulated(_) => Ok(()),
            Self::Kubernetes(kubernetes) => {
                install_definition(client).await?;
                rights::grant(client).await?;
                kubernetes.stand_in_for_controllers();
                Ok(())
            }
        }
    }

    /// How kubelets serve: a real API server asks them over TLS.
    pub(super) fn kubelets_tls(&self, authority: &Authority) -> anyhow::Result<Option<TlsAcceptor>> {
        match self {
            Self::Simulated(_) => Ok(None),
            Self::Kubernetes(_) => authority.acceptor().map(Some),
        }
    }

    /// How often migrations were read so far, alone or in a list; watches are not counted.
    pub(super) async fn looks_at_migrations(&self) -> anyhow::Result<usize> {
        match self {
            Self::Simulated(simulated) => Ok(simulated.looks_at_migrations()),
            Self::Kubernetes(kubernetes) => kubernetes.looks_at_migrations().await,
        }
    }
}

/// Whose kubeconfig.
#[derive(Clone, Copy, Debug)]
pub(super) enum Identity {
    /// May do everything: the run itself and its kubelets.
    Administrator,
    /// May do what `deploy/rbac.yaml` grants, where the API server knows rights.
    Operator,
}

/// Where the kubeconfig of the run's cluster is.
pub(super) fn kubeconfig(work: &Path, whose: Identity) -> PathBuf {
    work.join(match whose {
        Identity::Administrator => "kubeconfig",
        Identity::Operator => "operator.kubeconfig",
    })
}

/// Writes a kubeconfig; `cluster` and `user` are what these entries contain.
fn write_kubeconfig(work: &Path, whose: Identity, cluster: &str, user: &str) -> anyhow::Result<()> {
    let path = kubeconfig(work, whose);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: run\nclusters: [{{name: run, cluster: {{{cluster}}}}}]\n\
         contexts: [{{name: run, context: {{cluster: run, user: run}}}}]\nusers: [{{name: run, user: {{{user}}}}}]\n"
    );
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

async fn install_definition(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = StatefulMigration::crd_name();
    // Created, not applied: a server that is older than CEL rules leaves them out, and refuses them in an apply.
    let definition = StatefulMigration::crd();
    api.create(&PostParams::default(), &definition).await.context("the definition is refused")?;
    patiently(PATIENCE, "the definition", async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        match conditions.iter().find(|one| one.type_ == "Established" && one.status == "True") {
            Some(_) => Ok(()),
            None => anyhow::bail!("it is not established: {conditions:?}"),
        }
    })
    .await
}

/// The address of the API server, without its scheme.
fn address() -> String {
    format!("{HUB}:{PORT}")
}
