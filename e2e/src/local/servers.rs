//! The real servers of a run: an OCI registry and RabbitMQ, both of Debian's packages.

use std::{fs, io, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;

use super::{authority::Authority, network::HUB};
use crate::process::{Process, patiently};

const PATIENCE: Duration = Duration::from_mins(1);
/// The registry's program.
const REGISTRY: &str = "/usr/bin/docker-registry";
/// The broker's program; the one in the path changes to a user who may not read the run's folder.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The broker's URL, for everybody.
pub(crate) fn amqp_url() -> String {
    format!("amqp://guest:guest@{HUB}:5672/%2f?heartbeat=5")
}

/// The broker's management URL.
pub(crate) fn management_url() -> String {
    format!("http://guest:guest@{HUB}:15672")
}

/// Host and port of the registry.
pub(crate) fn registry() -> String {
    format!("{HUB}:5000")
}

/// Checks that they are installed; says what to do when not.
pub(crate) fn check_installed() -> anyhow::Result<()> {
    for program in [REGISTRY, RABBITMQ] {
        if !Path::new(program).exists() {
            bail!("{program} is missing: run scripts/install-local-deps.sh once, as root");
        }
    }
    Ok(())
}

/// Starts the registry, with TLS and deletion.
pub(crate) async fn start_registry(work: &Path, authority: &Authority) -> anyhow::Result<Process> {
    let configuration = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: {}\n  tls: {{certificate: {}, key: {}}}\n",
        work.join("images").display(),
        registry(),
        authority.certificate.display(),
        authority.key.display()
    );
    let file = work.join("registry.yml");
    fs::write(&file, configuration)?;
    let arguments = ["serve".to_owned(), file.display().to_string()];
    let process = Process::start(REGISTRY, &arguments, &[], &work.join("registry.log"))?;
    reachable(5000, "the registry").await.with_context(|| process.log_tail())?;
    Ok(process)
}

/// Starts RabbitMQ, with the management API.
pub(crate) async fn start_broker(work: &Path) -> anyhow::Result<Process> {
    let folder = work.join("rabbitmq");
    fs::create_dir_all(&folder)?;
    let configuration = format!(
        "listeners.tcp.1 = {HUB}:5672\nmanagement.tcp.ip = {HUB}\nmanagement.tcp.port = 15672\nloopback_users = none\n\
         log.console = true\nlog.file = false\nmanagement_agent.disable_metrics_collector = false\n"
    );
    fs::write(folder.join("rabbitmq.conf"), configuration)?;
    fs::write(folder.join("plugins"), "[rabbitmq_management].\n")?;
    let path = |name: &str| folder.join(name).display().to_string();
    let environment = [
        ("HOME", path("")),
        ("RABBITMQ_NODENAME", "ms2m@localhost".to_owned()),
        ("RABBITMQ_MNESIA_BASE", path("data")),
        ("RABBITMQ_LOG_BASE", path("logs")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
        ("RABBITMQ_PID_FILE", path("pid")),
        // One run needs no more threads than this machine has time for.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none".to_owned()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(RABBITMQ, &[], &environment, &work.join("rabbitmq.log"))?;
    for (port, what) in [(5672, "RabbitMQ"), (15672, "RabbitMQ's management API")] {
        reachable(port, what).await.with_context(|| process.log_tail())?;
    }
    Ok(process)
}

async fn reachable(port: u16, what: &str) -> anyhow::Result<()> {
    patiently(PATIENCE, what, async || {
        let stream = TcpStream::connect((HUB, port)).await?;
        drop(stream);
        Ok::<_, io::Error>(())
    })
    .await
}
