//! The command line of `ms2m operator`, and what it resolves to.

use std::{fs, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Deps, KubeletAccess, Settings,
    health::{self, Health},
    settings::CHECKPOINT_DIR,
};
use crate::{
    io::{Entropy as _, OsEntropy, SocketDial, SystemClock},
    kubernetes,
    protocol::Intervals,
};

/// Carry out the migrations of a cluster
#[derive(Args, Clone, Debug)]
pub struct OperatorFlags {
    /// Look after this namespace only; after all where it is left out.
    #[arg(long, env = "MS2M_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// The cluster; the pod's own, or that of KUBECONFIG or ~/.kube/config, where it is left out.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one where it is left out.
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,

    /// How kubelets are asked for checkpoints.
    #[arg(long, env = "MS2M_KUBELET", value_name = "WAY", value_enum, default_value_t = KubeletWay::Proxy)]
    kubelet: KubeletWay,
    /// Certificate authorities in PEM form of the kubelets' serving certificates; the cluster's where it is left out.
    #[arg(long, value_name = "FILE")]
    kubelet_ca_file: Option<PathBuf>,
    /// Accept any serving certificate of a kubelet: many are signed by nobody. Only in a network that you trust.
    #[arg(long, conflicts_with = "kubelet_ca_file")]
    kubelet_insecure: bool,
    /// Folder of the nodes into which kubelets write checkpoints.
    #[arg(long, value_name = "DIR", default_value = CHECKPOINT_DIR)]
    checkpoint_dir: String,

    /// Image that has ms2m, for transfer Jobs whose migration names none.
    #[arg(long, env = "MS2M_TRANSFER_IMAGE", value_name = "IMAGE", default_value = "ms2m:latest")]
    transfer_image: String,
    /// Another image that migrations may name as spec.transfer.image, or what such images begin with, ending in /, : or @. It runs
    /// as root, with the checkpoints of every process of the node. Several are written several times, or with commas.
    #[arg(
        long = "permit-transfer-image",
        env = "MS2M_PERMIT_TRANSFER_IMAGES",
        value_name = "IMAGE",
        value_delimiter = ','
    )]
    permitted_transfer_images: Vec<String>,
    /// How many migrations are worked on at the same moment.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How long any one call to a broker may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    broker_deadline_ms: u64,

    /// Answer /healthz and /readyz here, such as 0.0.0.0:8080.
    #[arg(long, env = "MS2M_HEALTH_ADDRESS", value_name = "ADDRESS")]
    health_address: Option<SocketAddr>,
    /// Who this is, in events and in the Lease: the pod's name. One is drawn where it is left out.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    instance: Option<String>,
    /// Namespace of the Lease by which one of several operators works, the same for all of a cluster; that of the pod, or of
    /// the context, where it is left out.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    lease_namespace: Option<String>,
}

/// Ways to a kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KubeletWay {
    /// Through the API server's node proxy; needs create on nodes/proxy
    Proxy,
    /// At the kubelet's own port; needs create on nodes/checkpoint
    Direct,
}

impl OperatorFlags {
    fn settings(&self, cluster: &kube::Config) -> anyhow::Result<Settings> {
        let kubelet = match self.kubelet {
            KubeletWay::Proxy => KubeletAccess::Proxy,
            KubeletWay::Direct => KubeletAccess::Direct(Box::new(self.kubelet_config(cluster)?)),
        };
        Ok(Settings {
            namespace: self.namespace.clone().filter(|namespace| !namespace.is_empty()),
            kubelet,
            transfer_image: self.transfer_image.clone(),
            permitted_transfer_images: self.permitted_transfer_images.clone(),
            checkpoint_dir: self.checkpoint_dir.clone(),
            concurrency: self.concurrency,
            broker_deadline: Duration::from_millis(self.broker_deadline_ms),
            // Whoever starts again under the same name goes on at once; a name that nobody else can have waits for the Lease to run out.
            instance: self.instance.clone().unwrap_or_else(|| format!("ms2m-operator-{}", OsEntropy.token())),
            lease_namespace: self.lease_namespace.clone().filter(|namespace| !namespace.is_empty()),
            intervals: Intervals::default(),
        })
    }

    /// The operator is at the kubelets who it is at the API server.
    fn kubelet_config(&self, cluster: &kube::Config) -> anyhow::Result<kube::Config> {
        let mut kubelet = cluster.clone();
        kubelet.tls_server_name = None;
        kubelet.accept_invalid_certs = self.kubelet_insecure;
        if let Some(file) = &self.kubelet_ca_file {
            let pem = fs::read(file).with_context(|| format!("--kubelet-ca-file {}", file.display()))?;
            let certificates = certificates(&pem).with_context(|| {
                format!("--kubelet-ca-file {} has no certificate in PEM form", file.display())
            })?;
            kubelet.root_cert = Some(certificates);
            kubelet.root_cert_file = None;
        }
        Ok(kubelet)
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let parsed: Vec<Vec<u8>> = parsed.ok()?.into_iter().map(|certificate| certificate.to_vec()).collect();
    (!parsed.is_empty()).then_some(parsed)
}

/// Runs the operator until it is told to stop.
pub async fn run(flags: OperatorFlags) -> ExitCode {
    match work(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(flags: &OperatorFlags) -> anyhow::Result<()> {
    let cluster = kubernetes::config::load(flags.kubeconfig.as_deref(), flags.context.as_deref()).await?;
    let deps = Deps {
        settings: flags.settings(&cluster)?,
        cluster,
        dial: Arc::new(SocketDial::system_roots().context("the machine's certificate authorities")?),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        health: Health::default(),
    };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop: no new work is begun");
    };
    let health = deps.health.clone();
    let work = super::run(deps, shutdown);
    let Some(address) = flags.health_address else { return Ok(work.await?) };
    tokio::select! {
        done = work => Ok(done?),
        failed = health::serve(address, health) => {
            failed.map(|never| match never {}).with_context(|| format!("--health-address {address}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: OperatorFlags,
    }

    fn settings(line: &[&str]) -> anyhow::Result<Settings> {
        let flags = Command::try_parse_from(["operator"].iter().chain(line))?.flags;
        flags.settings(&kube::Config::new("https://api:6443".parse().unwrap()))
    }

    #[test]
    fn without_flags_all_namespaces_are_looked_after_and_kubelets_are_asked_through_the_api_server() {
        let settings = settings(&[]).unwrap();
        assert_eq!((settings.namespace, settings.concurrency), (None, 16));
        assert_eq!(settings.checkpoint_dir, "/var/lib/kubelet/checkpoints");
        assert!(matches!(settings.kubelet, KubeletAccess::Proxy));
    }

    #[test]
    fn an_operator_without_a_name_has_one_that_no_other_has() {
        let named = settings(&["--instance", "ms2m-operator-0", "--lease-namespace", "ms2m-system"]).unwrap();
        assert_eq!(named.instance, "ms2m-operator-0");
        assert_eq!(named.lease_namespace.as_deref(), Some("ms2m-system"));
        let [one, other] = [settings(&[]).unwrap(), settings(&[]).unwrap()];
        assert_ne!(one.instance, other.instance);
        assert_eq!(settings(&["--lease-namespace", ""]).unwrap().lease_namespace, None);
    }

    #[test]
    fn a_kubelet_that_is_asked_directly_is_trusted_as_it_was_said() {
        let KubeletAccess::Direct(kubelet) =
            settings(&["--kubelet", "direct", "--kubelet-insecure"]).unwrap().kubelet
        else {
            panic!("not direct")
        };
        assert!(kubelet.accept_invalid_certs);
        let missing =
            settings(&["--kubelet", "direct", "--kubelet-ca-file", "/nonexistent/ca"]).err().unwrap();
        assert!(format!("{missing:#}").contains("--kubelet-ca-file /nonexistent/ca"), "{missing:#}");
    }

    #[test]
    fn transfer_images_are_permitted_one_by_one() {
        assert_eq!(settings(&[]).unwrap().permitted_transfer_images, [""; 0]);
        let line = ["--permit-transfer-image", "a:1,b/", "--permit-transfer-image", "c@"];
        assert_eq!(settings(&line).unwrap().permitted_transfer_images, ["a:1", "b/", "c@"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            &["--concurrency", "0"][..],
            &["--broker-deadline-ms", "1"],
            &["--kubelet", "telepathy"],
            &["--context", "c"],
            &["--health-address", "here"],
        ] {
            assert!(settings(line).is_err(), "{line:?}");
        }
    }
}
