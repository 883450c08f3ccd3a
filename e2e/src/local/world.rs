//! The inside of a run: everything is brought up, one migration is driven, everything goes with this process.

use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ms2m_app::io::SocketDial;
use ms2m_counter::topology::{Topology, declare};
use ms2m_sim::report::{Style, Verdict, render};
use tokio::task::LocalSet;

use super::{
    InsideOptions, authority::Authority, cluster::Cluster, control_plane, drive::Drive, network::Network,
    objects, remains::note_namespaces, servers,
};
use crate::{
    image::{ImageContent, push},
    node::Cgroups,
    process::Process,
};

/// Runs it. True when everything held.
pub(crate) fn run(options: &InsideOptions) -> anyhow::Result<bool> {
    // An error only says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = LocalSet::new().block_on(&runtime, async {
        let told = told_to_end();
        tokio::pin!(told);
        let (world, verdict) = tokio::select! {
            result = work(options) => result?,
            () = &mut told => anyhow::bail!("interrupted"),
        };
        if options.options.keep {
            eprintln!("everything is up; press Ctrl-C to end it. Logs: {}", options.work.display());
            told.await;
        }
        drop(world);
        Ok(verdict.holds())
    });
    // The thread that reads the standard input reads on until this process ends.
    runtime.shutdown_background();
    result
}

/// Resolves when the outside ends, or ends us: our standard input breaks.
#[allow(
    clippy::disallowed_methods,
    reason = "no simulated run comes here; a read of a pipe cannot be awaited"
)]
async fn told_to_end() {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    // Whatever it reads, there is nothing that it could be told but this.
    let _ = read.await;
}

async fn work(inside: &InsideOptions) -> anyhow::Result<(World, Verdict)> {
    let world = World::up(inside).await?;
    let mut drive = Drive::new(&world, &inside.options);
    let verdict = drive.run().await?;
    show(&verdict, inside.options.json)?;
    drop(drive);
    Ok((world, verdict))
}

fn show(verdict: &Verdict, json: bool) -> anyhow::Result<()> {
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    let text = if json { format!("{}\n", serde_json::to_string(verdict)?) } else { render(verdict, style) };
    std::io::stdout().write_all(text.as_bytes()).context("standard output was closed")
}

/// Everything that is up.
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) dial: Arc<SocketDial>,
    work: PathBuf,
    programs: PathBuf,
    /// Kept for what they hold up.
    _servers: [Process; 2],
    _network: Network,
}

impl World {
    async fn up(inside: &InsideOptions) -> anyhow::Result<Self> {
        let work = inside.work.as_path();
        let name = work.file_name().context("a run's folder has a name")?.to_string_lossy().into_owned();
        note_namespaces(work, "self")?;
        let (cgroups, authority) = (Cgroups::of_run(&name), Authority::new(work)?);
        let network = Network::up().await?;
        let registry = async {
            let registry = servers::start_registry(work, &authority).await?;
            push_images(&inside.programs, &authority.pem).await?;
            Ok(registry)
        };
        let (registry, broker, cluster) = tokio::try_join!(
            registry,
            servers::start_broker(work),
            Cluster::up(work, &cgroups, &network, &authority)
        )?;
        let world = Self {
            cluster,
            dial: Arc::new(SocketDial::system_roots()?),
            work: work.to_owned(),
            programs: inside.programs.clone(),
            _servers: [registry, broker],
            _network: network,
        };
        world.populate(&authority).await?;
        Ok(world)
    }

    /// Queues, pulled images, and the objects of the workload.
    async fn populate(&self, authority: &Authority) -> anyhow::Result<()> {
        for (exchange, routing_key, queue) in [
            (objects::EXCHANGE, objects::ROUTING_KEY, objects::QUEUE),
            (objects::RESULTS, objects::RESULTS_KEY, objects::RESULTS),
        ] {
            let topology = Topology {
                exchange: exchange.to_owned(),
                routing_key: routing_key.to_owned(),
                queue: queue.to_owned(),
            };
            let uri = servers::amqp_url().parse().map_err(anyhow::Error::msg)?;
            declare(&topology, uri, self.dial.clone()).await.context("cannot declare the queues")?;
        }
        // A restore reads the base image, too: a node that has it already is the normal case.
        for node in &self.cluster.nodes {
            for image in [objects::counter_image(), objects::operator_image()] {
                node.cri.pull(&image).await.with_context(|| format!("{} cannot pull {image}", node.name))?;
            }
        }
        for object in [
            objects::broker_secret(),
            objects::registry_authority(&authority.pem),
            objects::service(),
            objects::source_pod(),
        ] {
            self.cluster.create(object).await?;
        }
        Ok(())
    }

    /// Starts the operator, as a process of its own.
    pub(super) fn start_operator(&self) -> anyhow::Result<Process> {
        let arguments = [
            "--log=info,ms2m=debug".to_owned(),
            "operator".to_owned(),
            format!(
                "--kubeconfig={}",
                control_plane::kubeconfig(&self.work, control_plane::Identity::Operator).display()
            ),
            format!("--transfer-image={}", objects::operator_image()),
            // As one that is started again in its pod.
            "--instance=ms2m-operator-0".to_owned(),
            format!("--lease-namespace={}", control_plane::OPERATOR_NAMESPACE),
        ];
        let program = self.programs.join("ms2m").display().to_string();
        Process::start(&program, &arguments, &[], &self.work.join("operator.log"))
    }
}

async fn push_images(programs: &Path, authority: &str) -> anyhow::Result<()> {
    let certificates = vec![("/etc/ssl/certs/ca-certificates.crt".to_owned(), authority.as_bytes().to_vec())];
    let image = |program: PathBuf, arguments: &[&str]| ImageContent {
        program,
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        files: certificates.clone(),
    };
    let pause = image("/bin/sleep".into(), &["infinity"]);
    push(&objects::pause_image(), &pause, authority).await?;
    push(&objects::counter_image(), &image(programs.join("counter"), &[]), authority).await?;
    push(&objects::operator_image(), &image(programs.join("ms2m"), &[]), authority).await
}
