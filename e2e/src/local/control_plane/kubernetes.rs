use std::{fs, path::Path};

use anyhow::Context as _;
use http::Request;
use kube::Client;
use tokio::task::spawn_local;

use super::{HUB, Identity, PATIENCE, PORT, address, rights, workloads, write_kubeconfig};
use crate::{
    local::{authority::Authority, cluster},
    process::{Process, patiently},
};

/// What is expected in the folder of the assets.
pub(super) const PROGRAMS: [&str; 2] = ["etcd", "kube-apiserver"];
const ETCD: &str = "http://127.0.0.1:2379";
const ETCD_PEERS: &str = "http://127.0.0.1:2380";
/// The users, by their tokens, which are of use in the run's own network only.
const USERS: [(Identity, &str, &str, &str); 2] = [
    (Identity::Administrator, "administrator", "e2e", "system:masters"),
    (Identity::Operator, "operator", rights::OPERATOR, "system:authenticated"),
];

/// A real API server, started as envtest does it: no controllers, no scheduler, no service accounts.
pub(in crate::local) struct Kubernetes {
    client: Client,
    /// Kept for what they hold up.
    _programs: Box<[Process; 2]>,
}

impl Kubernetes {
    pub(super) async fn up(assets: &Path, work: &Path, authority: &Authority) -> anyhow::Result<Self> {
        let folder = work.join("control-plane");
        fs::create_dir_all(&folder)?;
        let tokens = folder.join("tokens.csv");
        let lines = USERS.map(|(_, token, user, group)| format!("{token},{user},{token},{group}\n"));
        fs::write(&tokens, lines.concat())?;
        let (certificate, key) = (authority.certificate.display(), authority.key.display());
        let start = |program: &str, arguments: Vec<String>| {
            let log = work.join(format!("{program}.log"));
            Process::start(&assets.join(program).display().to_string(), &arguments, &[], &log)
        };
        let etcd = start(
            PROGRAMS[0],
            vec![
                format!("--data-dir={}", folder.join("etcd").display()),
                format!("--listen-client-urls={ETCD}"),
                format!("--advertise-client-urls={ETCD}"),
                format!("--listen-peer-urls={ETCD_PEERS}"),
            ],
        )?;
        let api_server = start(
            PROGRAMS[1],
            vec![
                format!("--etcd-servers={ETCD}"),
                format!("--bind-address={HUB}"),
                format!("--advertise-address={HUB}"),
                format!("--secure-port={PORT}"),
                format!("--cert-dir={}", folder.display()),
                format!("--tls-cert-file={certificate}"),
                format!("--tls-private-key-file={key}"),
                format!("--token-auth-file={}", tokens.display()),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.99.0.0/24".to_owned(),
                format!("--service-account-issuer=https://{}", address()),
                format!("--service-account-key-file={}", authority.public_key.display()),
                format!("--service-account-signing-key-file={key}"),
                // Their controller is not there, and without one no pod could be created.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--allow-privileged=true".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ],
        )?;
        let (address, ca) = (address(), authority.file.display());
        let server = format!("server: \"https://{address}\", certificate-authority: {ca}");
        for (whose, token, ..) in USERS {
            write_kubeconfig(work, whose, &server, &format!("token: {token}"))?;
        }
        let client = cluster::client(work).await?;
        patiently(PATIENCE, "the API server", async || {
            client.request_text(get("/readyz")?).await.map_err(anyhow::Error::from)
        })
        .await
        .with_context(|| format!("{}\n{}", etcd.log_tail(), api_server.log_tail()))?;
        Ok(Self { client, _programs: Box::new([etcd, api_server]) })
    }

    /// Runs Jobs and collects their pods, which no program here does, for as long as this task runs.
    pub(super) fn stand_in_for_controllers(&self) {
        spawn_local(workloads::run(self.client.clone()));
    }

    /// As the server counts it itself (`apiserver_request_total`).
    pub(super) async fn looks_at_migrations(&self) -> anyhow::Result<usize> {
        let metrics = self.client.request_text(get("/metrics")?).await.context("the API server's metrics")?;
        Ok(looks_in(&metrics))
    }
}

fn get(path: &str) -> anyhow::Result<Request<Vec<u8>>> {
    Ok(Request::get(path).body(Vec::new())?)
}

fn looks_in(metrics: &str) -> usize {
    let is_look = |labels: &str| {
        labels.contains("resource=\"statefulmigrations\"")
            && (labels.contains("verb=\"GET\"") || labels.contains("verb=\"LIST\""))
    };
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("apiserver_request_total{")?.split_once('}'))
        .filter(|(labels, _)| is_look(labels))
        .filter_map(|(_, count)| count.trim().parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_of_migrations_count_as_looks() {
        let metrics = "# TYPE apiserver_request_total counter\n\
            apiserver_request_total{code=\"200\",resource=\"statefulmigrations\",verb=\"GET\"} 3\n\
            apiserver_request_total{code=\"200\",resource=\"statefulmigrations\",verb=\"LIST\"} 2\n\
            apiserver_request_total{code=\"200\",resource=\"statefulmigrations\",verb=\"WATCH\"} 9\n\
            apiserver_request_total{code=\"200\",resource=\"statefulmigrations\",verb=\"APPLY\"} 9\n\
            apiserver_request_total{code=\"200\",resource=\"pods\",verb=\"GET\"} 9\n";
        assert_eq!(looks_in(metrics), 5);
        assert_eq!(looks_in(""), 0);
    }
}
