use std::{sync::Arc, time::Duration};

use ms2m::kubernetes::client;
use ms2m_app::io::SystemClock;
use ms2m_counter::{
    OutputTo,
    traffic::{SharedRecord, TrafficConfig, Until, run_traffic},
};
use tokio::sync::watch;
use turmoil::Sim;

use super::{CounterProgram, Machines, Mistake, Scenario, SimRuntime, objects};
use crate::{
    amqp::{self, SharedBroker},
    apiserver::{self, ApiServer, Settings},
    kubelet::{self, Kubelet},
    network::{SimDial, serve},
};

/// Port of the simulated API server.
const API_PORT: u16 = 6443;
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
    /// What was published.
    pub record: SharedRecord,
    /// Publishers stop when it is set.
    pub stop_traffic: watch::Sender<bool>,
    /// No message is under way any more.
    pub finished: watch::Sender<bool>,
}

impl Cluster {
    /// The world before anything has started.
    pub fn new(scenario: &Scenario) -> Self {
        let settings = Settings { seed: scenario.seed, ..Settings::default() };
        let api = ApiServer::new(Arc::new(SystemClock), Arc::new(SimDial), settings);
        let broker = SharedBroker::default();
        broker.provide(objects::EXCHANGE, "topic", objects::QUEUE, objects::ROUTING_KEY);
        broker.provide(objects::RESULTS, "fanout", objects::RESULTS, "");
        let machines = Machines::default();
        let counter = CounterProgram {
            amqp_url: objects::AMQP_URL.to_owned(),
            queue: objects::QUEUE.to_owned(),
            prefetch: scenario.prefetch,
            work: scenario.work,
            output: OutputTo { exchange: objects::RESULTS.to_owned(), routing_key: String::new() },
        };
        machines.lock().images.add_program(objects::COUNTER_IMAGE, Arc::new(counter));
        let source = scenario.mistake.map_or_else(objects::source_pod, |mistake| mistake.source_pod(&api));
        for object in [objects::secret(), objects::service(), source] {
            api.create(object).expect("the scenario's own objects are valid");
        }
        let ((stop_traffic, _), (finished, _)) = (watch::channel(false), watch::channel(false));
        Self { api, broker, machines, record: SharedRecord::default(), stop_traffic, finished }
    }

    /// Makes every host but those of containers.
    pub fn populate(&self, sim: &mut Sim<'_>, scenario: &Scenario) {
        self.host_api_server(sim);
        self.host_broker(sim);
        for node in objects::NODES {
            self.host_node(sim, node, scenario.mistake != Some(Mistake::NoCheckpoints));
        }
        self.host_traffic(sim, scenario);
        sim.host("operator", || async { super::operator::run().await });
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
            let (amqp, management) = (broker.clone(), broker.clone());
            // What was there before this start lost its connections with the last one.
            broker.restart();
            async move {
                let management =
                    serve(15_672, move |stream| amqp::serve_management(management.clone(), stream));
                tokio::task::spawn_local(management);
                serve(5_672, move |stream| amqp::serve_connection(amqp.clone(), stream)).await
            }
        });
    }

    fn host_node(&self, sim: &mut Sim<'_>, node: &'static str, serves_checkpoints: bool) {
        let machines = self.machines.clone();
        sim.host(node, move || {
            let runtime = Arc::new(SimRuntime::new(node, machines.clone()));
            async move {
                let mut config = kubelet::Config::new(node, node, KUBELET_PORT);
                config.serves_checkpoints = serves_checkpoints;
                let kubelet = Kubelet::new(config, runtime, api_client()?, Arc::new(SystemClock));
                tokio::task::spawn_local(kubelet.clone().run());
                serve(KUBELET_PORT, move |stream| kubelet::serve_connection(kubelet.clone(), stream)).await
            }
        });
    }

    fn host_traffic(&self, sim: &mut Sim<'_>, scenario: &Scenario) {
        let (record, stop, finished) =
            (self.record.clone(), self.stop_traffic.clone(), self.finished.clone());
        let (producers, rate) = (scenario.producers, scenario.rate);
        sim.host("traffic", move || {
            let (record, mut stop, finished) = (record.clone(), stop.subscribe(), finished.clone());
            async move {
                let config = TrafficConfig {
                    uri: objects::AMQP_URL.parse()?,
                    exchange: objects::EXCHANGE.to_owned(),
                    routing_key: objects::ROUTING_KEY.to_owned(),
                    producers,
                    rate,
                    until: Until::Stopped,
                };
                let stopped = async move {
                    // A sender that is gone stops the traffic, too.
                    let _ = stop.wait_for(|stop| *stop).await;
                };
                let entropy = Arc::new(ms2m_app::io::OsEntropy);
                run_traffic(config, Arc::new(SimDial), entropy, record, stopped).await;
                finished.send_replace(true);
                Ok(())
            }
        });
    }
}

/// A client of the API server, built on the host that uses it.
pub(super) fn api_client() -> Result<kube::Client, Box<dyn std::error::Error>> {
    Ok(client::build(api_config()?, Arc::new(SimDial), client::Timeouts::default())?)
}

/// How the API server is reached.
pub(super) fn api_config() -> Result<kube::Config, Box<dyn std::error::Error>> {
    let mut config = kube::Config::new(format!("http://apiserver:{API_PORT}").parse()?);
    objects::NAMESPACE.clone_into(&mut config.default_namespace);
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}
