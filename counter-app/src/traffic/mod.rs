//! Publishes at a set rate from several producers, and records what the broker has confirmed.

mod producer;
mod record;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use lapin::uri::AMQPUri;
use ms2m_app::{
    OverlongName, amqp_name,
    io::{Dial, Entropy},
};
use tokio::sync::watch;

pub use self::{
    producer::{run_producer, value_of},
    record::{ProducerRecord, Record, SharedRecord},
};

/// What the traffic is.
#[derive(Clone, Debug)]
pub struct TrafficConfig {
    /// The broker.
    pub uri: AMQPUri,
    /// Exchange to publish to.
    pub exchange: String,
    /// Routing keys: each message of a producer has the next one.
    pub routing_keys: Vec<String>,
    /// What every message has as headers besides its identity.
    pub headers: BTreeMap<String, String>,
    /// How many producers, each with one connection and one message under way.
    pub producers: u32,
    /// Messages per second, of all producers together.
    pub rate: f64,
    /// How many bytes a body is longer than it must be: spaces at its end.
    pub padding: usize,
    /// When it ends by itself.
    pub until: Until,
}

/// When traffic ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Only when it is told to stop.
    Stopped,
    /// When this much time has passed.
    Elapsed(Duration),
    /// When every producer has had its share of so many messages confirmed.
    Messages(u64),
}

impl TrafficConfig {
    /// Time between two messages of one producer.
    pub(crate) fn period(&self) -> Duration {
        self.spacing() * self.producers.max(1)
    }

    /// Time between two messages of anybody.
    pub(crate) fn spacing(&self) -> Duration {
        // A rate that makes no sense is bounded rather than a panic: one message in eleven days, or one per nanosecond.
        Duration::try_from_secs_f64(1.0 / self.rate).map_or(SLOWEST, |gap| gap.clamp(FASTEST, SLOWEST))
    }

    /// How many messages producer `index` publishes at most.
    pub(crate) fn share(&self, index: u32) -> u64 {
        let producers = u64::from(self.producers.max(1));
        match self.until {
            Until::Messages(total) => total / producers + u64::from(u64::from(index) < total % producers),
            Until::Stopped | Until::Elapsed(_) => u64::MAX,
        }
    }
}

const FASTEST: Duration = Duration::from_nanos(1);
const SLOWEST: Duration = Duration::from_secs(1_000_000);

/// Runs all producers until `stop` or until the configuration says so. When it returns, no message is under way: each
/// producer waits for the confirm of its last one, however long that takes.
///
/// An error, and nothing is published, when a name in the configuration is longer than AMQP can write it.
pub async fn run_traffic(
    config: TrafficConfig,
    dial: Arc<dyn Dial>,
    entropy: Arc<dyn Entropy>,
    record: SharedRecord,
    stop: impl Future<Output = ()>,
) -> Result<(), OverlongName> {
    let names = config.routing_keys.iter().chain(config.headers.keys()).chain([&config.exchange]);
    for name in names {
        amqp_name(name)?;
    }
    let (stopping, stopped) = watch::channel(false);
    let producers = (0..config.producers).map(|index| {
        run_producer(config.clone(), index, dial.clone(), entropy.clone(), record.clone(), stopped.clone())
    });
    let elapsed = async {
        match config.until {
            Until::Elapsed(duration) => tokio::time::sleep(duration).await,
            Until::Stopped | Until::Messages(_) => std::future::pending().await,
        }
    };
    let mut producers = std::pin::pin!(try_join_all(producers));
    tokio::select! {
        ended = &mut producers => return ended.map(drop),
        () = stop => {}
        () = elapsed => {}
    }
    // Nobody receives only when all have finished.
    let _ = stopping.send(true);
    producers.await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(producers: u32, rate: f64, until: Until) -> TrafficConfig {
        TrafficConfig {
            uri: AMQPUri::default(),
            exchange: "work".to_owned(),
            routing_keys: vec!["work".to_owned()],
            headers: BTreeMap::new(),
            producers,
            rate,
            padding: 0,
            until,
        }
    }

    #[test]
    fn producers_share_the_rate() {
        let config = config(4, 20.0, Until::Stopped);
        assert_eq!(config.spacing(), Duration::from_millis(50));
        assert_eq!(config.period(), Duration::from_millis(200));
    }

    #[test]
    fn rates_without_sense_are_bounded() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            let spacing = config(1, rate, Until::Stopped).spacing();
            assert!((FASTEST..=SLOWEST).contains(&spacing), "{rate}: {spacing:?}");
        }
    }

    #[test]
    fn shares_add_up_to_the_number_of_messages() {
        let config = config(3, 1.0, Until::Messages(11));
        let shares: Vec<u64> = (0..3).map(|index| config.share(index)).collect();
        assert_eq!(shares, [4, 4, 3]);
    }
}
