use std::fmt;

use amq_protocol::types::AMQPValue;
use clap::ValueEnum;
use ms2m::kubernetes::client::USER_AGENT;
use ms2m_app::contract::MessageId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Cluster, Names,
    machines::Ailment,
    names::node,
    objects,
    sidecar::{SIDECAR, SIDECAR_IMAGE},
};
use crate::{
    apiserver::{ApiServer, Denied},
    plan::Workload,
};

/// Something that a user got wrong, or that their cluster lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// No pod has the name.
    UnknownPod,
    /// The pod has no such container.
    UnknownContainer,
    /// The pod has several containers, and the migration names none.
    AmbiguousContainer,
    /// The migration names a container that does not run: its image is nowhere.
    StoppedContainer,
    /// No node has the name.
    UnknownNode,
    /// No node has the labels.
    UnknownLabels,
    /// The target is where the source is already.
    SourcesNode,
    /// The broker has no such queue.
    UnknownQueue,
    /// The queue is fed through the default exchange.
    UnboundQueue,
    /// The queue is another application's, which consumes it.
    AnothersQueue,
    /// There is no such Secret.
    UnknownSecret,
    /// The Secret has no such key.
    UnknownKey,
    /// The Secret's value is no URL.
    NoUrl,
    /// Nobody answers at the broker's address.
    WrongBroker,
    /// There is no such push Secret.
    UnknownPushSecret,
    /// The strategy is not implemented.
    Sequential,
    /// A duration is out of its range.
    TooShort,
    /// The pod belongs to a controller that would recreate it.
    OwnedPod,
    /// The name that the shadow needs is taken.
    ShadowNameTaken,
    /// The kubelets' feature gate is off.
    NoCheckpoints,
    /// The source's runtime has no CRIU.
    NoCriu,
    /// The registry does not accept the image.
    RefusingRegistry,
    /// Messages of a higher priority overtake the others.
    PriorityQueue,
    /// The queue drops messages that waited long.
    ExpiringMessages,
    /// The queue drops messages when it holds too many.
    BoundedQueue,
    /// The queue drops messages when it holds too many bytes.
    BoundedBytes,
    /// The queue goes when it was not used for long.
    ExpiringQueue,
    /// A quorum queue gives messages to everybody who asks.
    UnfencedQueue,
    /// The queue goes with its last consumer.
    AutoDeleteQueue,
    /// The exchange gives each message to one of its queues.
    HashExchange,
    /// There is no such `ConfigMap` of certificates.
    UnknownConfigMap,
    /// There is no URL of the management API, and the spec has no bindings.
    NoManagement,
    /// The operator may not ask kubelets for a checkpoint.
    MissingRight,
    /// A policy of the cluster forbids the Jobs that push checkpoints, and delete them.
    ForbiddenJobs,
    /// Who publishes has another name for each message, so that a service remembers more of them than an object can hold.
    ManyPublishers,
    /// The container writes to a volume, which a checkpoint does not have.
    WritableVolume,
    /// The migration names a volume that need not come along, and the pod has no such volume.
    UnknownVolume,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::UnknownPod,
        Self::UnknownContainer,
        Self::AmbiguousContainer,
        Self::StoppedContainer,
        Self::UnknownNode,
        Self::UnknownLabels,
        Self::SourcesNode,
        Self::UnknownQueue,
        Self::UnboundQueue,
        Self::AnothersQueue,
        Self::UnknownSecret,
        Self::UnknownKey,
        Self::NoUrl,
        Self::WrongBroker,
        Self::UnknownPushSecret,
        Self::Sequential,
        Self::TooShort,
        Self::OwnedPod,
        Self::ShadowNameTaken,
        Self::NoCheckpoints,
        Self::NoCriu,
        Self::RefusingRegistry,
        Self::PriorityQueue,
        Self::ExpiringMessages,
        Self::BoundedQueue,
        Self::BoundedBytes,
        Self::ExpiringQueue,
        Self::UnfencedQueue,
        Self::AutoDeleteQueue,
        Self::HashExchange,
        Self::UnknownConfigMap,
        Self::NoManagement,
        Self::MissingRight,
        Self::ForbiddenJobs,
        Self::ManyPublishers,
        Self::WritableVolume,
        Self::UnknownVolume,
    ];

    /// Whether it can be known before anything is tried. Whether a runtime has CRIU, whether a policy lets the Job in, and whether
    /// a registry takes an image, only shows when it is asked to: nobody but the transfer Job has the registry's credentials. How much
    /// a service remembers it says at the sync point.
    pub fn shows_before_the_start(self) -> bool {
        !matches!(self, Self::NoCriu | Self::RefusingRegistry | Self::ForbiddenJobs | Self::ManyPublishers)
    }

    /// Whether a rule of the definition forbids it: only an API server that evaluates none lets the object in, and then
    /// the operator's own check has to refuse it.
    pub fn needs_a_server_without_rules(self) -> bool {
        matches!(self, Self::Sequential | Self::TooShort | Self::NoManagement)
    }

    /// Whether the workload loses messages by itself when something breaks, whatever becomes of the migration: its queue goes
    /// with a connection, or gives messages to two processes.
    pub fn needs_calm(self) -> bool {
        matches!(self, Self::AutoDeleteQueue | Self::UnfencedQueue)
    }

    /// The migration as the user writes it.
    pub(super) fn migration(self, workload: &Workload) -> Value {
        let names = Names::of(0, workload);
        let mut object = objects::migration(names, &names.source(), workload);
        let spec = &mut object["spec"];
        // What is wrong stays wrong: there is nothing to wait for.
        spec["deadlines"]["pending"] = json!("3s");
        match self {
            Self::UnknownPod => spec["sourcePod"] = json!("counting"),
            Self::UnknownContainer => spec["container"] = json!("main"),
            Self::StoppedContainer => spec["container"] = json!(SIDECAR),
            Self::UnknownNode => spec["target"] = json!({ "nodeName": "node-9" }),
            Self::UnknownLabels => spec["target"] = json!({ "nodeSelector": { "zone": "moon" } }),
            Self::SourcesNode => spec["target"] = json!({ "nodeName": node(workload.source) }),
            Self::UnknownQueue | Self::UnboundQueue | Self::AnothersQueue => {
                spec["broker"]["queue"] = json!(OTHER);
            }
            Self::UnknownSecret => spec["broker"]["urlSecret"]["name"] = json!(OTHER),
            Self::UnknownKey => spec["broker"]["urlSecret"]["key"] = json!(OTHER),
            Self::NoUrl | Self::WrongBroker => {
                spec["broker"]["urlSecret"] = json!({ "name": OTHER, "key": "url" });
            }
            Self::UnknownPushSecret => spec["transfer"]["pushSecret"] = json!(OTHER),
            Self::UnknownConfigMap => spec["transfer"]["caConfigMap"] = json!(OTHER),
            Self::NoManagement => {
                if let Some(broker) = spec["broker"].as_object_mut() {
                    broker.remove("managementUrlSecret");
                }
            }
            Self::Sequential => spec["strategy"] = json!("Sequential"),
            Self::UnknownVolume => spec["uncarriedVolumes"] = json!([OTHER]),
            Self::TooShort => spec["replay"]["maxPause"] = json!("1ms"),
            Self::AmbiguousContainer
            | Self::MissingRight
            | Self::ForbiddenJobs
            | Self::ManyPublishers
            | Self::OwnedPod
            | Self::ShadowNameTaken
            | Self::NoCheckpoints
            | Self::NoCriu
            | Self::RefusingRegistry
            | Self::PriorityQueue
            | Self::ExpiringMessages
            | Self::BoundedQueue
            | Self::BoundedBytes
            | Self::ExpiringQueue
            | Self::UnfencedQueue
            | Self::AutoDeleteQueue
            | Self::HashExchange
            | Self::WritableVolume => {}
        }
        object
    }

    /// What kind the exchange has.
    pub(super) fn exchange_kind(self) -> Option<&'static str> {
        (self == Self::HashExchange).then_some("x-consistent-hash")
    }

    /// What the queue was declared with. A limit that is never met is one all the same.
    pub(super) fn queue_argument(self) -> Option<(&'static str, AMQPValue)> {
        Some(match self {
            Self::PriorityQueue => ("x-max-priority", AMQPValue::LongInt(5)),
            Self::ExpiringMessages => ("x-message-ttl", AMQPValue::LongInt(3_600_000)),
            Self::BoundedQueue => ("x-max-length", AMQPValue::LongInt(1_000_000)),
            Self::BoundedBytes => ("x-max-length-bytes", AMQPValue::LongInt(1_000_000_000)),
            Self::ExpiringQueue => ("x-expires", AMQPValue::LongInt(3_600_000)),
            Self::UnfencedQueue => ("x-queue-type", AMQPValue::LongString("quorum".into())),
            _ => return None,
        })
    }

    /// What was published before anything began, each by somebody who is gone.
    pub(super) fn published_before(self) -> Vec<(MessageId, i64)> {
        let count = if self == Self::ManyPublishers { MANY } else { 0 };
        let publisher = |number| format!("publisher-of-one-message-{number:0>NAME_DIGITS$}");
        (0..count).map(|number| (MessageId { producer: publisher(number), seq: 1 }, number)).collect()
    }

    /// The source, as the user has it.
    pub(super) fn source_pod(self, api: &ApiServer, workload: &Workload) -> Value {
        let mut pod = objects::source_pod(Names::of(0, workload), workload);
        match self {
            Self::AmbiguousContainer => objects::add_sidecar(&mut pod, SIDECAR_IMAGE),
            Self::StoppedContainer => objects::add_sidecar(&mut pod, NO_IMAGE),
            Self::WritableVolume => objects::add_volume(&mut pod),
            Self::OwnedPod => {
                // Any object may be a controller, and this one has none of its own here.
                let owner = api.create(objects::owner()).expect("the scenario's own objects are valid");
                pod["metadata"]["ownerReferences"] = json!([{
                    "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
                    "uid": owner["metadata"]["uid"], "controller": true,
                }]);
            }
            _ => {}
        }
        pod
    }

    /// The world in which it is one.
    pub(super) fn prepare(self, cluster: &Cluster) {
        let create = |object| drop(cluster.api.create(object).expect("the scenario's own objects are valid"));
        match self {
            Self::UnboundQueue => cluster.broker.provide_queue(OTHER),
            Self::AnothersQueue => cluster.provide_another_application(OTHER),
            Self::MissingRight => cluster.api.deny(vec![asking_kubelets()]),
            Self::ForbiddenJobs => cluster.api.deny(vec![creating_jobs()]),
            Self::NoUrl => create(objects::secret_with_url(OTHER, "rabbitmq")),
            Self::WrongBroker => create(objects::secret_with_url(OTHER, NOBODY)),
            Self::ShadowNameTaken => create(objects::unrelated_pod("counter-shadow")),
            Self::NoCriu => drop(cluster.machines.lock().ailments.insert(Ailment::LacksCriu)),
            Self::RefusingRegistry => drop(cluster.machines.lock().ailments.insert(Ailment::RefusesPushes)),
            Self::UnknownPod
            | Self::UnknownContainer
            | Self::AmbiguousContainer
            | Self::StoppedContainer
            | Self::UnknownNode
            | Self::UnknownLabels
            | Self::SourcesNode
            | Self::UnknownQueue
            | Self::UnknownSecret
            | Self::UnknownKey
            | Self::UnknownPushSecret
            | Self::Sequential
            | Self::TooShort
            | Self::OwnedPod
            | Self::NoCheckpoints
            | Self::PriorityQueue
            | Self::ExpiringMessages
            | Self::BoundedQueue
            | Self::BoundedBytes
            | Self::ExpiringQueue
            | Self::UnfencedQueue
            | Self::AutoDeleteQueue
            | Self::HashExchange
            | Self::UnknownConfigMap
            | Self::NoManagement
            | Self::ManyPublishers
            | Self::WritableVolume
            | Self::UnknownVolume => {}
        }
    }
}

/// The name of what is not there, or should not be used.
const OTHER: &str = "other";
/// An image that no registry has.
const NO_IMAGE: &str = "registry:5000/nothing:1";
/// Where no broker is.
const NOBODY: &str = "amqp://guest:guest@rabbit:5672/%2f";

/// The names of so many publishers, with so many digits each, are more than a quarter of a mebibyte.
const MANY: i64 = 1_200;
const NAME_DIGITS: usize = 200;

/// What the policies say that forbid Pods, and what makes them, to mount a folder of their node.
fn creating_jobs() -> Denied {
    Denied {
        user_agent: Some(USER_AGENT.to_owned()),
        resource: Some("jobs".to_owned()),
        verb: Some("create".to_owned()),
        policy: Some(
            "ValidatingAdmissionPolicy 'no-host-path' denied request: hostPath volumes are forbidden"
                .to_owned(),
        ),
        ..Denied::default()
    }
}

/// The right to ask a kubelet, on either way to it.
fn asking_kubelets() -> Denied {
    Denied {
        user_agent: Some(USER_AGENT.to_owned()),
        resource: Some("nodes".to_owned()),
        verb: Some("create".to_owned()),
        ..Denied::default()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = format!("{self:?}");
        for (at, letter) in words.char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::ValueEnum as _;

    use ms2m_app::io::SystemClock;

    use super::*;
    use crate::{apiserver::Settings, network::SimDial};

    #[test]
    fn the_definition_refuses_what_its_rules_forbid_and_lets_the_rest_to_the_operator() {
        for mistake in Mistake::ALL {
            for evaluates_rules in [true, false] {
                let settings = Settings { evaluates_rules, ..Settings::default() };
                let api = ApiServer::new(Arc::new(SystemClock), Arc::new(SimDial), settings);
                let created = api.create(mistake.migration(&Workload::default()));
                let forbidden = evaluates_rules && mistake.needs_a_server_without_rules();
                assert_eq!(created.err().map(|refused| refused.code), forbidden.then_some(422), "{mistake}");
            }
        }
    }

    #[test]
    fn every_mistake_can_be_named() {
        for mistake in Mistake::ALL {
            assert_eq!(Mistake::from_str(&mistake.to_string(), false), Ok(mistake));
        }
        assert_eq!(Mistake::UnknownPushSecret.to_string(), "unknown-push-secret");
    }
}
