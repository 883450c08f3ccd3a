//! What is asked of the world itself when all is over.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context as _;
use futures::StreamExt as _;
use lapin::{
    ConnectionProperties,
    message::Delivery,
    options::BasicConsumeOptions,
    types::{AMQPValue, FieldTable},
};
use ms2m_app::{
    contract::{HEADER_PRODUCER, HEADER_SEQ},
    io::Dial as _,
};
use ms2m_counter::{StateView, traffic::SharedRecord};
use serde_json::Value;
use tokio::time::timeout;

use super::{cluster::Cluster, objects, servers, world::World};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// A queue that gives nothing for this long is empty.
const QUIET: Duration = Duration::from_millis(500);

/// What the counter in a pod says of itself.
pub(super) async fn state_of(cluster: &Cluster, pod: &str) -> anyhow::Result<StateView> {
    let ip = cluster.pod_ip(pod).await?;
    get(&format!("http://{ip}:{}/state", objects::STATE_PORT)).await
}

async fn get<T: serde::de::DeserializeOwned>(url: &str) -> anyhow::Result<T> {
    let client = reqwest::Client::builder().timeout(DEADLINE).build()?;
    Ok(client.get(url).send().await?.error_for_status()?.json().await?)
}

/// What is wrong with the outputs; nothing when each message has its own, once.
pub(super) async fn outputs(
    world: &World,
    record: &SharedRecord,
    repeats_allowed: bool,
) -> anyhow::Result<Option<String>> {
    let mut emitted: BTreeMap<(String, u64), u32> = BTreeMap::new();
    for id in read_results(world).await? {
        *emitted.entry(id).or_default() += 1;
    }
    let record = record.snapshot();
    let published = record
        .producers
        .iter()
        .flat_map(|(producer, of)| of.confirmed.keys().map(move |seq| (producer.clone(), *seq)));
    let missing: Vec<_> = published.filter(|id| !emitted.contains_key(id)).collect();
    if !missing.is_empty() {
        return Ok(Some(format!("no output of {missing:?}")));
    }
    let again: Vec<_> = emitted.iter().filter(|(_, times)| **times > 1).collect();
    if !again.is_empty() && !repeats_allowed {
        return Ok(Some(format!("emitted more than once: {again:?}")));
    }
    Ok(None)
}

async fn read_results(world: &World) -> anyhow::Result<Vec<(String, u64)>> {
    let uri = servers::amqp_url().parse().map_err(anyhow::Error::msg)?;
    let connection = world.dial.connect_amqp(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut results =
        channel.basic_consume(objects::RESULTS.into(), "".into(), options, FieldTable::default()).await?;
    let mut ids = Vec::new();
    while let Ok(Some(delivery)) = timeout(QUIET, results.next()).await {
        ids.push(identity(&delivery?).context("an output without an identity")?);
    }
    connection.close(200, "read".into()).await?;
    Ok(ids)
}

fn identity(delivery: &Delivery) -> Option<(String, u64)> {
    let headers = delivery.properties.headers().as_ref()?.inner();
    let AMQPValue::LongString(producer) = headers.get(HEADER_PRODUCER)? else { return None };
    let AMQPValue::LongLongInt(seq) = headers.get(HEADER_SEQ)? else { return None };
    Some((producer.to_string(), u64::try_from(*seq).ok()?))
}

/// What the migration left behind; nothing when it cleaned up.
pub(super) async fn leftovers(world: &World) -> anyhow::Result<Option<String>> {
    let mut left = Vec::new();
    let (uids, jobs) = world.cluster.inventory().await?;
    let queues: Vec<Value> = get(&format!("{}/api/queues", servers::management_url())).await?;
    for queue in queues.iter().filter_map(|queue| queue["name"].as_str()) {
        let orphaned =
            queue.strip_prefix("ms2m.control.").is_some_and(|uid| !uids.iter().any(|known| known == uid));
        if queue.contains(".ms2m.") || queue.starts_with("ms2m.replies.") || orphaned {
            left.push(format!("queue {queue}"));
        }
    }
    left.extend(jobs.into_iter().map(|job| format!("job {job}")));
    for node in &world.cluster.nodes {
        let folder = node.root.join("var/lib/kubelet/checkpoints");
        for file in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            left.push(format!("archive {} on {}", file?.file_name().to_string_lossy(), node.name));
        }
    }
    Ok((!left.is_empty()).then(|| format!("left over: {}", left.join(", "))))
}
