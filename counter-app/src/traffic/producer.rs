use std::sync::Arc;

use ms2m_app::{
    OverlongName, Publisher, PublisherConfig,
    contract::MessageId,
    io::{Dial, Entropy},
};
use tokio::sync::watch;

use super::{SharedRecord, TrafficConfig};

/// Characters of the random part of a producer's id: enough to be unique, short enough to be read.
const ID_RANDOM_CHARACTERS: usize = 12;

/// Runs producer `index` of the traffic until `stopped` holds true or its share is published. Returns when the last
/// message is confirmed, however long that takes. An error when it cannot be published anywhere.
pub async fn run_producer(
    config: TrafficConfig,
    index: u32,
    dial: Arc<dyn Dial>,
    entropy: Arc<dyn Entropy>,
    record: SharedRecord,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), OverlongName> {
    // Unique to this incarnation, and readable in a report.
    let producer: String = entropy.token().chars().take(ID_RANDOM_CHARACTERS).collect();
    let producer = format!("p{index}-{producer}");
    let publisher = PublisherConfig {
        uri: config.uri.clone(),
        exchange: config.exchange.clone(),
        durable: Some((producer.clone(), 0)),
    };
    let mut publisher =
        Publisher::new(publisher, dial, entropy.as_ref()).with_headers(config.headers.clone());
    let mut keys = config.routing_keys.iter().cycle();
    let first = tokio::time::Instant::now() + config.spacing() * (index + 1);
    let mut ticks = tokio::time::interval_at(first, config.period());
    let padding = " ".repeat(config.padding);
    for seq in 1..=config.share(index) {
        tokio::select! {
            biased;
            // The sender is gone with whoever could have stopped it: that is a stop, too.
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            _ = ticks.tick() => {}
        }
        let key = keys.next().map_or("", String::as_str);
        let value = value_of(index, seq);
        record.sending(&MessageId { producer: producer.clone(), seq }, value);
        let body = format!(r#"{{"value":{value}}}{padding}"#);
        let done = publisher.publish(key, body.as_bytes()).await?;
        record.confirmed(&done.id, value, done.attempts);
    }
    Ok(())
}

/// The value of a message: different from its neighbours', and the same whenever it is asked for.
pub fn value_of(index: u32, seq: u64) -> i64 {
    // Two rounds of a multiplicative hash, in -1000..=1000.
    let mixed = (u64::from(index) << 48 ^ seq).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    i64::try_from((mixed >> 32) % 2001).unwrap_or(0) - 1000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_are_spread_and_bounded() {
        let values: Vec<i64> = (1..=100).map(|seq| value_of(3, seq)).collect();
        assert!(values.iter().all(|value| (-1000..=1000).contains(value)));
        assert!(values.iter().collect::<BTreeSet<_>>().len() > 90, "{values:?}");
        assert_ne!(value_of(0, 1), value_of(1, 1));
    }
}
