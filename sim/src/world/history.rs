//! What became of each party, put together when all is over from what the servers and machines have recorded.

use std::time::Duration;

use ms2m::api::FIELD_MANAGER;

use super::{drive::Drive, names::node, party::Party};
use crate::{
    apiserver::RequestRecord,
    determinism::EPOCH,
    plan::{FaultKind, Link},
    report::{ApiWrite, Cast, History, Letter, PodLife, Process, Strike},
};

const OPERATOR: &str = "operator";
const API_SERVER: &str = "API server";
const BROKER: &str = "broker";
const REGISTRY: &str = "registry";

impl Drive {
    pub(super) fn history(&self) -> History {
        let writes = self.cluster.api.log_of_writes();
        History {
            nodes: (0..self.plan.scenario.nodes).map(node).collect(),
            casts: self.parties.iter().map(cast).collect(),
            processes: self.processes(),
            pods: self.pods(&writes),
            strikes: self.struck(),
            writes: writes
                .iter()
                .filter(|write| write.manager == FIELD_MANAGER)
                .map(|write| self.api_write(write))
                .collect(),
        }
    }

    /// The protocol's messages, with names instead of UIDs.
    pub(super) fn letters(&self) -> Vec<Letter> {
        let mut names = vec![("ms2m-operator".to_owned(), OPERATOR.to_owned())];
        for container in self.cluster.machines.lock().containers.values() {
            names.push((container.pod_uid.clone(), container.pod.clone()));
        }
        let pod = |text: &str| {
            let known = names.iter().find(|(uid, _)| text.contains(uid.as_str()));
            known.map(|(_, name)| name.clone())
        };
        let letters = self.cluster.broker.letters().into_iter();
        letters
            .map(|letter| {
                let to = match letter.to.as_str() {
                    to if to.starts_with("ms2m.replies.") => OPERATOR.to_owned(),
                    to => pod(to).unwrap_or_else(|| self.plain(to)),
                };
                let from = pod(&letter.from).unwrap_or_else(|| letter.from.clone());
                let migration = self.plain(&letter.migration);
                Letter { from, to, migration, ..letter }
            })
            .collect()
    }

    /// A text with the names of migrations instead of their UIDs, such as those of Jobs and queues.
    fn plain(&self, text: &str) -> String {
        let known = self.parties.iter().flat_map(super::party::Party::migrations);
        known.fold(text.to_owned(), |text, (uid, name)| text.replace(uid, &name))
    }

    fn processes(&self) -> Vec<Process> {
        let state = self.cluster.machines.lock();
        let mut processes: Vec<Process> = state
            .containers
            .iter()
            .filter(|(_, container)| container.holds_state())
            .map(|(id, container)| Process {
                pod: self.plain(&container.pod),
                node: container.node.clone(),
                id: self.plain(id),
                from_ms: ms(container.began),
                until_ms: container.ended.map(ms),
                exit_code: container.exit_code(),
                restored: container.restored_from.is_some(),
            })
            .collect();
        processes.sort_by(|a, b| (a.from_ms, &a.id).cmp(&(b.from_ms, &b.id)));
        processes
    }

    fn api_write(&self, write: &RequestRecord) -> ApiWrite {
        let parts = [write.plural.as_str(), write.name.as_str(), write.subresource.as_str()];
        let object: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        ApiWrite {
            at_ms: since_the_beginning(write),
            text: format!("{} {}", format!("{:?}", write.verb).to_lowercase(), self.plain(&object.join("/"))),
            code: write.code,
            changed: write.changed,
        }
    }

    /// Sources and targets as objects, by what was written about them.
    fn pods(&self, writes: &[RequestRecord]) -> Vec<PodLife> {
        let names = self.parties.iter().flat_map(|party| [party.names.source(), party.names.shadow()]);
        names.flat_map(|pod| self.lives(&pod, writes)).collect()
    }

    fn lives(&self, pod: &str, writes: &[RequestRecord]) -> Vec<PodLife> {
        let about = |write: &&RequestRecord| write.plural == "pods" && write.name == pod && write.changed;
        let mut lives: Vec<PodLife> = Vec::new();
        for write in writes.iter().filter(about) {
            let at_ms = since_the_beginning(write);
            match lives.last_mut() {
                // What a new pod of the name is created by ends the life of the one before.
                Some(life) if write.code != 201 => life.until_ms = Some(at_ms),
                _ => lives.push(PodLife { pod: pod.to_owned(), from_ms: at_ms, until_ms: None }),
            }
        }
        let is_there = self.cluster.api.get("", "pods", super::objects::NAMESPACE, pod).is_some();
        if let Some(last) = lives.last_mut().filter(|_| is_there) {
            last.until_ms = None;
        }
        lives
    }

    fn struck(&self) -> Vec<Strike> {
        let history = self.strikes.history.iter().filter(|struck| !struck.in_vain);
        history
            .map(|struck| {
                let (fault, from_ms) = (&struck.fault, ms(struck.at));
                Strike {
                    text: fault.to_string(),
                    kind: fault.kind.to_string(),
                    migration: fault.at.workload,
                    from_ms,
                    until_ms: if fault.kind.lasts() { struck.until.map(ms) } else { Some(from_ms) },
                    parties: concerned(fault.kind, &self.parties[fault.at.workload]),
                }
            })
            .collect()
    }
}

fn ms(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

fn since_the_beginning(write: &RequestRecord) -> u64 {
    let at = Duration::try_from(write.at.as_duration()).unwrap_or_default();
    ms(at.saturating_sub(EPOCH))
}

fn cast(party: &Party) -> Cast {
    let names = party.names;
    Cast {
        migration: names.migration(),
        source: names.source(),
        target: names.shadow(),
        queue: names.queue(),
        publishers: names.traffic(),
    }
}

/// The parties that a fault strikes itself, not those that suffer from it.
fn concerned(kind: FaultKind, party: &Party) -> Vec<String> {
    use FaultKind as K;
    let (source, target) = (party.names.source(), party.names.shadow());
    let (source_node, target_node) =
        (party.names.source_node(&party.workload), party.names.target_node(&party.workload));
    let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match kind {
        K::Hold(link)
        | K::Partition(link)
        | K::PartitionTo(link)
        | K::PartitionFrom(link)
        | K::Slow(link) => ends(link, party),
        K::CrashOperator
        | K::AnotherOperator
        | K::ReplaceOperator
        | K::FreezeOperator
        | K::ClockAhead
        | K::ClockBehind => known(&[OPERATOR]),
        K::DropOperator | K::CloseOperatorChannels => known(&[OPERATOR, BROKER]),
        K::CrashBroker
        | K::BrokerMemoryAlarm
        | K::WithholdConfirms
        | K::RepeatControl
        | K::TalkNonsense
        | K::LateBindings => known(&[BROKER]),
        K::DeleteReplayQueue => vec![format!("{}.ms2m.{}", party.names.queue(), party.names.migration())],
        K::ChangeBindings => vec![party.names.queue()],
        K::CrashTraffic => vec![party.names.traffic()],
        K::CrashSourceKubelet
        | K::FailCheckpoint
        | K::FailCheckpoints
        | K::SlowCheckpoints
        | K::HangCheckpoints
        | K::DiskFull
        | K::CrashTransfers
        | K::LoseReports => vec![source_node],
        K::LoseSourceNode => vec![source_node, source],
        K::CrashTargetKubelet | K::PullsFail | K::FailRestores | K::RestoreFresh => vec![target_node],
        // Which of them it is, nobody but whoever strikes knows.
        K::LoseThirdNode => Vec::new(),
        K::LoseTargetNode => vec![target_node, target],
        K::KillSource | K::FreezeSource | K::DeleteSource | K::ForceDeleteSource | K::DeleteSourceControl => {
            vec![source]
        }
        K::DropSource | K::CloseSourceChannels => known(&[&source, BROKER]),
        K::KillTarget | K::FreezeTarget | K::DeleteTarget | K::ForceDeleteTarget | K::DeleteTargetControl => {
            vec![target]
        }
        K::DropTarget | K::CloseTargetChannels => known(&[&target, BROKER]),
        K::RegistryDown
        | K::CrashRegistry
        | K::HangRegistry
        | K::TruncatePushes
        | K::RefuseManifests
        | K::LosePushAnswers => known(&[REGISTRY]),
        K::Cancel
        | K::CrashApiServer
        | K::ApiConflicts
        | K::ApiTooMany
        | K::ApiErrors
        | K::LoseAcknowledgement
        | K::LoseWrite
        | K::DelayStatus
        | K::DelayApi
        | K::StallWatches
        | K::CloseWatches
        | K::RepeatWatches
        | K::CompactHistory
        | K::LaggingApi
        | K::StaleWatch => known(&[API_SERVER]),
    }
}

/// Who is at the ends of a link.
fn ends(link: Link, party: &Party) -> Vec<String> {
    let names = party.names;
    let (one, other) = match link {
        Link::OperatorApi => (OPERATOR.to_owned(), API_SERVER),
        Link::OperatorBroker => (OPERATOR.to_owned(), BROKER),
        Link::SourceBroker => (names.source(), BROKER),
        Link::TargetBroker => (names.shadow(), BROKER),
        Link::TrafficBroker => (names.traffic(), BROKER),
        Link::SourceNodeApi => (names.source_node(&party.workload), API_SERVER),
        Link::TargetNodeApi => (names.target_node(&party.workload), API_SERVER),
        Link::TargetNodeRegistry => (names.target_node(&party.workload), REGISTRY),
    };
    vec![one, other.to_owned()]
}
