use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use http::{HeaderValue, header::USER_AGENT};
use lapin::uri::AMQPUri;
use ms2m::{api::FIELD_MANAGER, kubernetes::client, operator::leadership::LEASE};
use ms2m_app::{contract::MessageId, io::SystemClock};
use ms2m_counter::{
    OutputTo,
    traffic::{Record, SharedRecord, TrafficConfig, Until, run_traffic},
};
use serde_json::Value;
use tokio::sync::watch;
use turmoil::Sim;

use super::{
    CounterProgram, Machines, Mistake, Names, SimRuntime,
    freezer::Freezer,
    names::node,
    objects,
    operator::{self, SkewedClock},
    registry_host,
    routes::{self, Route, Routes},
    sidecar::{SIDECAR_IMAGE, Sidecar},
};
use crate::{
    amqp::{self, SharedBroker},
    apiserver::{self, ApiServer, Settings},
    kubelet::{self, Kubelet},
    network::{SimDial, serve},
    plan::{Counts, Scenario, Workload},
};

/// Port of the simulated API server.
const API_PORT: u16 = 6443;
/// Name of the operator's connection to the broker.
const OPERATOR: &str = "ms2m-operator";
/// Port of the simulated kubelets.
const KUBELET_PORT: u16 = 10_250;

/// Everything in the simulated world that outlives a process: what the API server and the broker store, what machines
/// hold, what was published.
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub api: ApiServer,
    /// The broker.
    pub broker: SharedBroker,
    /// Nodes, processes, images.
    pub machines: Machines,
    /// The clock of the first operator; another has one that is right.
    pub clock: SkewedClock,
    /// What can hold the operator still, the first one.
    pub operator: Freezer,
    /// The publishers of each workload.
    pub traffic: Vec<Traffic>,
    /// Publishers stop when it is set.
    pub stop_traffic: watch::Sender<bool>,
}

/// The publishers of a workload.
#[derive(Clone)]
pub struct Traffic {
    /// What was published.
    pub record: SharedRecord,
    /// No message is under way any more.
    pub finished: watch::Sender<bool>,
}

impl Cluster {
    /// The world before anything has started.
    pub fn new(scenario: &Scenario) -> Self {
        let evaluates_rules = !scenario.mistake.is_some_and(Mistake::needs_a_server_without_rules);
        let settings = Settings {
            seed: scenario.seed,
            evaluates_rules,
            controller_delay: Duration::from_millis(scenario.pace.controllers_ms),
            ..Settings::default()
        };
        let api = ApiServer::new(Arc::new(SystemClock), Arc::new(SimDial), settings);
        let before = scenario.mistake.map(Mistake::published_before).unwrap_or_default();
        let cluster = Self {
            api,
            broker: SharedBroker::default(),
            machines: Machines::default(),
            clock: SkewedClock::default(),
            operator: Freezer::default(),
            traffic: scenario.workloads.iter().map(|_| Traffic::after(&before)).collect(),
            stop_traffic: watch::channel(false).0,
        };
        cluster.broker.watch_client(OPERATOR);
        cluster.machines.lock().programs.insert(SIDECAR_IMAGE.to_owned(), Arc::new(Sidecar));
        cluster.create(objects::secret());
        for (index, workload) in scenario.workloads.iter().enumerate() {
            let names = Names::of(index, workload);
            cluster.provide(names, workload, scenario.mistake);
            for (id, value) in &before {
                let body = format!(r#"{{"value":{value}}}"#);
                cluster.broker.provide_message(&names.queue(), id, body.into_bytes());
            }
        }
        cluster
    }

    /// The container of a pod that runs, if one does.
    pub fn running(&self, pod: &str) -> Option<String> {
        self.running_where(|name| name == pod)
    }

    /// The same of a workload's source, whatever its name is.
    pub fn running_source(&self, names: Names) -> Option<String> {
        self.running_where(|name| names.is_source(name))
    }

    fn running_where(&self, is_meant: impl Fn(&str) -> bool) -> Option<String> {
        let state = self.machines.lock();
        let mut running = state
            .containers
            .iter()
            .filter(|(_, container)| is_meant(&container.pod) && container.holds_state() && container.runs());
        running.next().map(|(id, _)| id.clone())
    }

    /// Name of a workload's source, as it is at present; of one that is to go only where there is no other.
    pub fn source_pod(&self, names: Names) -> String {
        let text = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
        let mut pods = self.api.list("", "pods", objects::NAMESPACE);
        pods.retain(|pod| names.is_source(&text(pod, "name")));
        pods.sort_by_key(|pod| text(pod, "deletionTimestamp"));
        pods.first().map_or_else(|| names.source(), |pod| text(pod, "name"))
    }

    /// A migration's object, if it is there.
    pub(super) fn migration(&self, names: Names) -> Option<Arc<Value>> {
        self.api.get("migration.ms2m.io", "statefulmigrations", objects::NAMESPACE, &names.migration())
    }

    /// Which operator works, as the Lease says.
    pub fn leader(&self) -> Option<String> {
        let lease = self.api.get("coordination.k8s.io", "leases", objects::NAMESPACE, LEASE)?;
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    }

    /// What the operator has done so far.
    pub fn counts(&self) -> Counts {
        Counts { writes: self.api.writes_of(FIELD_MANAGER), acts: self.broker.changes() }
    }

    pub(super) fn create(&self, object: Value) {
        self.api.create(object).expect("the scenario's own objects are valid");
    }

    /// What a workload needs.
    fn provide(&self, names: Names, workload: &Workload, mistake: Option<Mistake>) {
        Routes::of(names, workload.shape).provide(&self.broker, mistake);
        self.broker.provide(&names.results(), "fanout", &names.results(), "");
        let counter = Self::counter(&names.queue(), &names.results(), workload);
        self.machines.lock().programs.insert(names.image(), Arc::new(counter));
        self.create(objects::service(names));
        self.create(match (mistake, workload.owner) {
            (Some(mistake), _) => mistake.source_pod(&self.api, workload),
            (None, Some(owner)) => objects::pod_owner(names, workload, owner),
            (None, None) => objects::source_pod(names, workload),
        });
    }

    fn counter(queue: &str, results: &str, workload: &Workload) -> CounterProgram {
        CounterProgram {
            amqp_url: objects::AMQP_URL.to_owned(),
            queue: queue.to_owned(),
            prefetch: workload.prefetch,
            work: Duration::from_micros(workload.work_us),
            output: OutputTo { exchange: results.to_owned(), routing_key: String::new() },
        }
    }

    /// An application that consumes a queue of its own, and is none of the workloads: nobody moves it.
    pub(super) fn provide_another_application(&self, name: &str) {
        self.broker.provide(name, "fanout", name, "");
        let pod = objects::another_pod(name);
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
        let counter = Self::counter(name, name, &Workload::default());
        self.machines.lock().programs.insert(image, Arc::new(counter));
        self.create(pod);
    }

    /// Makes every host but those of containers.
    pub fn populate(&self, sim: &mut Sim<'_>, scenario: &Scenario) {
        self.host_api_server(sim);
        self.host_broker(sim);
        self.host_registry(sim);
        for index in 0..scenario.nodes {
            self.host_node(sim, node(index), scenario);
        }
        for (index, workload) in scenario.workloads.iter().enumerate() {
            self.host_traffic(sim, Names::of(index, workload), workload);
        }
        operator::host(sim, "operator", self.operator.clone(), self.clock.clone(), scenario);
    }

    fn host_api_server(&self, sim: &mut Sim<'_>) {
        let api = self.api.clone();
        sim.host("apiserver", move || {
            let api = api.clone();
            async move {
                tokio::task::spawn_local(api.clone().run_controllers());
                serve(API_PORT, move |stream| apiserver::serve_connection(api.clone(), stream)).await
            }
        });
    }

    fn host_broker(&self, sim: &mut Sim<'_>) {
        let broker = self.broker.clone();
        sim.host("rabbitmq", move || {
            let (amqp, management, time) = (broker.clone(), broker.clone(), broker.clone());
            async move {
                // What was there before this start lost its connections with the last one. Not earlier: a host's time is only
                // right while it runs.
                amqp.restart();
                let management =
                    serve(15_672, move |stream| amqp::serve_management(management.clone(), stream));
                tokio::task::spawn_local(management);
                tokio::task::spawn_local(amqp::keep_time(time));
                serve(5_672, move |stream| amqp::serve_connection(amqp.clone(), stream)).await
            }
        });
    }

    fn host_registry(&self, sim: &mut Sim<'_>) {
        let machines = self.machines.clone();
        sim.host(registry_host::HOST, move || registry_host::run(machines.clone()));
    }

    fn host_node(&self, sim: &mut Sim<'_>, node: String, scenario: &Scenario) {
        let (machines, pace) = (self.machines.clone(), scenario.pace.clone());
        let serves_checkpoints = scenario.mistake != Some(Mistake::NoCheckpoints);
        let labels = objects::node_labels(&node, scenario);
        sim.host(node.clone(), move || {
            let (node, labels) = (node.clone(), labels.clone());
            let (heartbeat, watch_timeout_s) = (Duration::from_millis(pace.heartbeat_ms), pace.watch_s);
            let runtime = Arc::new(SimRuntime::new(&node, machines.clone(), pace.clone()));
            async move {
                let mut config = kubelet::Config::new(&node, &node, KUBELET_PORT);
                config.labels = labels;
                config.serves_checkpoints = serves_checkpoints;
                (config.heartbeat, config.watch_timeout_s) = (heartbeat, watch_timeout_s);
                let kubelet = Kubelet::new(config, runtime, kubelet_client()?, Arc::new(SystemClock));
                tokio::task::spawn_local(kubelet.clone().run());
                serve(KUBELET_PORT, move |stream| kubelet::serve_connection(kubelet.clone(), stream)).await
            }
        });
    }

    fn host_traffic(&self, sim: &mut Sim<'_>, names: Names, workload: &Workload) {
        let Traffic { record, finished } = self.traffic[names.index].clone();
        let (stop, workload) = (self.stop_traffic.clone(), workload.clone());
        sim.host(names.traffic(), move || {
            let (record, stop, finished) = (record.clone(), stop.clone(), finished.clone());
            let configs = traffic(names, &workload);
            async move {
                let traffic = configs?.into_iter().map(|config| {
                    let (record, mut stop) = (record.clone(), stop.subscribe());
                    let stopped = async move {
                        // A sender that is gone stops the traffic, too.
                        let _ = stop.wait_for(|stop| *stop).await;
                    };
                    let entropy = Arc::new(ms2m_app::io::OsEntropy);
                    run_traffic(config, Arc::new(SimDial), entropy, record, stopped)
                });
                try_join_all(traffic).await?;
                finished.send_replace(true);
                Ok(())
            }
        });
    }
}

impl Traffic {
    /// Publishers that begin after others have published all this.
    fn after(published: &[(MessageId, i64)]) -> Self {
        let mut record = Record::default();
        for (id, value) in published {
            record.producers.entry(id.producer.clone()).or_default().confirmed.insert(id.seq, *value);
        }
        Self { record: record.into(), finished: watch::channel(false).0 }
    }
}

/// What the publishers of a workload do.
fn traffic(names: Names, workload: &Workload) -> Result<Vec<TrafficConfig>, Box<dyn std::error::Error>> {
    let uri: AMQPUri = objects::AMQP_URL.parse()?;
    let ways = Routes::of(names, workload.shape).ways();
    let count = u32::try_from(ways.len())?;
    let shares = routes::shared_by(count, workload.producers, workload.rate);
    let config = |(way, (producers, rate)): (Route, (u32, f64))| TrafficConfig {
        uri: uri.clone(),
        exchange: way.exchange,
        routing_keys: way.keys,
        headers: way.headers,
        producers,
        rate,
        padding: workload.padding,
        until: Until::Stopped,
    };
    Ok(ways.into_iter().zip(shares).map(config).collect())
}

/// A kubelet's client of the API server, built on its host.
fn kubelet_client() -> Result<kube::Client, Box<dyn std::error::Error>> {
    let mut config = api_config()?;
    config.headers.push((USER_AGENT, HeaderValue::from_static("kubelet/v1.36.0")));
    Ok(client::build(config, Arc::new(SimDial), client::Timeouts::default())?)
}

/// How the API server is reached.
pub(super) fn api_config() -> Result<kube::Config, Box<dyn std::error::Error>> {
    let mut config = kube::Config::new(format!("http://apiserver:{API_PORT}").parse()?);
    objects::NAMESPACE.clone_into(&mut config.default_namespace);
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}
