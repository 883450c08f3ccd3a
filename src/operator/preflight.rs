//! Looks at everything that a migration will need, before anything is created: a reason for each thing that is missing.

use futures::future;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{Api, ResourceExt as _};
use ms2m_app::contract::control_queue;

use super::{context::Context, rivalry, session, shadow_name, transfer_image, volumes};
use crate::{
    api::{StatefulMigration, StatefulMigrationSpec, TargetSpec, reason, validate},
    broker::{FactsSource, preflight as queue_check},
    kubernetes::{
        MigrationRef,
        access::{self, NEEDED, NODE_CHECKPOINT, NODE_PROXY, Right},
        failure::failure,
        kubelet::Way,
        nodes, pod_view, pods,
    },
    protocol::{Finding, PodView, Preflight, Rivalry, names},
};

/// What the checks found.
pub(super) async fn preflight(
    context: &Context,
    object: &StatefulMigration,
    migration: &MigrationRef,
) -> Preflight {
    let spec = &object.spec;
    if let Err(invalid) = validate(spec) {
        let findings = vec![Finding { reason: invalid.reason, message: invalid.message }];
        return Preflight { findings, ..Default::default() };
    }
    let checks = Checks { context, object, migration, spec };
    let source = match checks.pod(&spec.source_pod).await {
        Ok(source) => source,
        Err(finding) => return Preflight { findings: vec![finding], ..Default::default() },
    };
    let mut result = Preflight::default();
    match source {
        None => result.findings.push(finding(
            reason::SOURCE_NOT_FOUND,
            format!(
                "there is no pod {} in namespace {}: name the pod to move",
                spec.source_pod, migration.namespace
            ),
        )),
        Some(source) => checks.source(&source, &mut result).await,
    }
    let (rights, shadow, transfer, busy) =
        tokio::join!(checks.rights(), checks.shadow_name(), checks.transfer(), checks.others());
    // The shadow that is there is the other migration's: it is the one to wait for.
    let shadow = shadow.filter(|_| busy.is_none());
    result.findings.extend(rights.into_iter().chain(shadow).chain(transfer));
    // It is what the rest comes of, as where the other one has just removed the pod.
    result.findings.splice(0..0, busy);
    for Finding { reason, message } in &result.findings {
        tracing::info!(reason, message, "the migration cannot begin yet");
    }
    result
}

fn finding(reason: &'static str, message: String) -> Finding {
    Finding { reason, message }
}

struct Checks<'a> {
    context: &'a Context,
    object: &'a StatefulMigration,
    migration: &'a MigrationRef,
    spec: &'a StatefulMigrationSpec,
}

impl Checks<'_> {
    async fn pod(&self, name: &str) -> Result<Option<Pod>, Finding> {
        let found = pods::api(&self.context.client, &self.migration.namespace).get_opt(name).await;
        found.map_err(|error| cannot_look(&format!("looking at pod {name}"), &error))
    }

    /// The source, and what depends on which one it is: target node and queue.
    async fn source(&self, source: &Pod, result: &mut Preflight) {
        match container(source, self.spec.container.as_deref()) {
            Ok(container) => result.container = container,
            Err(finding) => result.findings.push(finding),
        }
        result.findings.extend(source_findings(source, &result.container));
        let uncarried = &self.spec.uncarried_volumes;
        result.findings.extend(volumes::findings(source, &result.container, uncarried));
        let node = source.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
        let uid = source.uid().unwrap_or_default();
        let (target, queue, kubelet) = tokio::join!(self.target(node), self.queue(&uid), self.kubelet(node));
        result.findings.extend(kubelet);
        match target {
            Ok(node) => result.target_node = node,
            Err(finding) => result.findings.push(finding),
        }
        match queue {
            Ok(mut queue) => {
                result.bindings = queue.bindings;
                result.findings.append(&mut queue.findings);
                result.warnings.append(&mut queue.warnings);
            }
            Err(finding) => result.findings.push(finding),
        }
    }

    async fn target(&self, source_node: &str) -> Result<String, Finding> {
        let cannot = |error| cannot_look("looking at the target node", &error);
        let client = &self.context.client;
        let TargetSpec { node_name, node_selector } = &self.spec.target;
        if let Some(name) = node_name {
            let node = nodes::get(client, name).await.map_err(cannot)?;
            return target_by_name(name, node.as_ref(), source_node);
        }
        let labels = node_selector.clone().unwrap_or_default();
        target_by_labels(&nodes::with_labels(client, &labels).await.map_err(cannot)?, source_node)
    }

    /// Whether the source's kubelet would take a checkpoint. What only the runtime knows, such as whether it has CRIU,
    /// shows at the first one.
    async fn kubelet(&self, node: &str) -> Option<Finding> {
        let Context { client, kubelets, .. } = self.context;
        let probe = kubelets.probe(client, node, &self.migration.namespace, &self.spec.source_pod).await;
        probe.err().map(|failure| finding(failure.reason, failure.message))
    }

    async fn queue(&self, source_uid: &str) -> Result<Preflight, Finding> {
        let broker = &self.spec.broker;
        let session = self.context.sessions.open(self.context, self.migration, broker).await?;
        let control = control_queue(source_uid);
        let (facts, consumers) =
            tokio::join!(session.broker.inspect(&broker.queue), session.lane.consumers(&control));
        let facts = facts.map_err(|error| session::finding(&error))?;
        let consumers = consumers.map_err(|error| session::finding(&error))?;
        let mut result = Preflight {
            findings: queue_check::check(&broker.queue, facts.as_ref(), &broker.bindings),
            ..Default::default()
        };
        if consumers.is_none_or(|consumers| consumers == 0) {
            let message = format!(
                "nothing consumes the control queue {control}: the application must use ms2m-app, or speak docs/app-contract.md"
            );
            result.findings.push(finding(reason::SOURCE_NOT_MIGRATABLE, message));
        }
        if let Some(facts) = facts {
            result.warnings = queue_check::warnings(&broker.queue, &facts);
            result.bindings = match facts.source {
                FactsSource::Management => facts.bindings.into_iter().map(|bound| bound.binding).collect(),
                FactsSource::PassiveDeclare => broker.bindings.clone(),
            };
        }
        Ok(result)
    }

    async fn rights(&self) -> Vec<Finding> {
        let checkpoint = match self.context.kubelets.way() {
            Way::Proxy => NODE_PROXY,
            Way::Direct => NODE_CHECKPOINT,
        };
        let namespace = self.migration.namespace.as_str();
        let wanted = NEEDED.into_iter().map(|right| (right, namespace)).chain([(checkpoint, "")]);
        let missing = future::join_all(wanted.map(|(right, namespace)| self.lacks(right, namespace))).await;
        let missing: Vec<String> = missing.into_iter().flatten().map(|right| right.to_string()).collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let message =
            format!("the operator may not {}: grant it what deploy/rbac.yaml lists", missing.join(", "));
        vec![finding(reason::PERMISSION_MISSING, message)]
    }

    async fn lacks(&self, right: Right, namespace: &str) -> Option<Right> {
        match access::is_granted(&self.context.client, namespace, right).await {
            Ok(granted) => (!granted).then_some(right),
            Err(error) => {
                // Who may not ask may still be allowed to do it, and will hear if not.
                tracing::debug!(%right, %error, "whether this right is there could not be checked");
                None
            }
        }
    }

    async fn shadow_name(&self) -> Option<Finding> {
        let name = names::shadow_pod(&self.spec.source_pod);
        match self.pod(&name).await {
            Ok(pod) => shadow_name::taken(&pod?, &self.migration.uid),
            Err(finding) => Some(finding),
        }
    }

    /// Whether what the transfer Job mounts is there. Only the names are asked for, never the contents.
    async fn transfer(&self) -> Vec<Finding> {
        let (client, namespace) = (&self.context.client, self.migration.namespace.as_str());
        let missing = |kind: &str, name: &str| {
            let message =
                format!("there is no {kind} {name} in namespace {namespace}, which spec.transfer names");
            finding(reason::SECRET_NOT_FOUND, message)
        };
        let secret = async {
            let name = self.spec.transfer.push_secret.as_deref()?;
            let found = Api::<Secret>::namespaced(client.clone(), namespace).get_metadata_opt(name).await;
            matches!(found, Ok(None)).then(|| missing("Secret", name))
        };
        let map = async {
            let name = self.spec.transfer.ca_config_map.as_deref()?;
            let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_metadata_opt(name).await;
            matches!(found, Ok(None)).then(|| missing("ConfigMap", name))
        };
        let (secret, map) = tokio::join!(secret, map);
        let image = transfer_image::check(&self.spec.transfer, &self.context.settings);
        secret.into_iter().chain(map).chain(image).collect()
    }

    async fn others(&self) -> Option<Finding> {
        match rivalry::of(self.context, self.object, self.migration).await {
            Ok(Rivalry::Alone) => None,
            Ok(Rivalry::Waits(other) | Rivalry::GivesWay(other)) => {
                let pod = &self.spec.source_pod;
                let message = format!("migration {other} moves pod {pod}: wait for its end");
                Some(finding(reason::SOURCE_BUSY, message))
            }
            Err(error) => Some(cannot_look("looking at other migrations", &error)),
        }
    }
}

fn cannot_look(doing: &str, error: &kube::Error) -> Finding {
    let failure = failure(doing, reason::CHECKING, error);
    finding(failure.reason, failure.message)
}

/// The container that holds the state.
fn container(pod: &Pod, named: Option<&str>) -> Result<String, Finding> {
    let all: Vec<&str> =
        pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| container.name.as_str()).collect();
    let pod = pod.name_any();
    match (named, all.as_slice()) {
        (Some(named), all) if all.contains(&named) => Ok(named.to_owned()),
        (Some(named), all) => Err(finding(
            reason::CONTAINER_NOT_FOUND,
            format!("pod {pod} has no container {named}; it has {}", all.join(", ")),
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, all) => Err(finding(
            reason::CONTAINER_AMBIGUOUS,
            format!(
                "pod {pod} has several containers: say in spec.container which of {} holds the state",
                all.join(", ")
            ),
        )),
    }
}

fn source_findings(pod: &Pod, container: &str) -> Vec<Finding> {
    let name = pod.name_any();
    let mut findings = Vec::new();
    if let Some(owner) = pod.owner_references().iter().find(|owner| owner.controller == Some(true)) {
        findings.push(finding(
            reason::SOURCE_HAS_OWNER,
            format!(
                "{} {} would recreate pod {name} when it is removed: this version moves bare pods only",
                owner.kind, owner.name
            ),
        ));
    }
    if let PodView::Present(facts) = pod_view::view(Some(pod), container, "") {
        if facts.terminating {
            findings.push(finding(reason::SOURCE_NOT_RUNNING, format!("pod {name} is being deleted")));
        } else if facts.ended || !facts.running || facts.container_id.is_empty() {
            let why = if facts.trouble.is_empty() { String::new() } else { format!(": {}", facts.trouble) };
            let message = format!("container {container} of pod {name} does not run{why}");
            findings.push(finding(reason::SOURCE_NOT_RUNNING, message));
        }
    }
    findings
}

fn target_by_name(name: &str, node: Option<&nodes::NodeFacts>, source_node: &str) -> Result<String, Finding> {
    let unsuitable = |why: &str| Err(finding(reason::TARGET_UNSUITABLE, format!("node {name} {why}")));
    match node {
        None => Err(finding(
            reason::TARGET_NOT_FOUND,
            format!("there is no node {name}: name one of the cluster"),
        )),
        Some(_) if name == source_node => unsuitable("is the one that the source runs on: name another"),
        Some(node) if !node.ready => unsuitable("is not ready"),
        Some(node) if node.cordoned => unsuitable("is cordoned: name another, or uncordon it"),
        Some(_) => Ok(name.to_owned()),
    }
}

/// The first by name that will do.
fn target_by_labels(nodes: &[nodes::NodeFacts], source_node: &str) -> Result<String, Finding> {
    if nodes.is_empty() {
        let message = "no node has the labels of spec.target.nodeSelector".to_owned();
        return Err(finding(reason::TARGET_NOT_FOUND, message));
    }
    let fits = |node: &&nodes::NodeFacts| node.ready && !node.cordoned && node.name != source_node;
    nodes.iter().find(fits).map(|node| node.name.clone()).ok_or_else(|| {
        let message =
            "every node with the labels of spec.target.nodeSelector is the source's, not ready, or cordoned";
        finding(reason::TARGET_UNSUITABLE, message.to_owned())
    })
}
