//! The network of a run: a bridge that the servers listen at, the nodes behind it, their pods behind them.
//!
//! ```text
//!   servers 10.77.0.1 ── bridge ─┬─ node-1 10.77.0.11 ── pods 10.88.1.0/24
//!                                └─ node-2 10.77.0.12 ── pods 10.88.2.0/24
//! ```

use crate::{node::ip_in, process::run};

/// Address of the servers.
pub(crate) const HUB: &str = "10.77.0.1";
const BRIDGE: &str = "hub";

/// It is in the run's own network namespace, and goes with it.
pub(crate) struct Network(());

impl Network {
    /// Makes it.
    pub(crate) async fn up() -> anyhow::Result<Self> {
        ip("link set lo up").await?;
        ip(&format!("link add {BRIDGE} type bridge")).await?;
        ip(&format!("addr add {HUB}/24 dev {BRIDGE}")).await?;
        ip(&format!("link set {BRIDGE} up")).await?;
        Ok(Self(()))
    }

    /// Connects the node whose first process is `pid`.
    pub(crate) async fn attach(&self, number: u8, pid: u32) -> anyhow::Result<()> {
        let address = format!("10.77.0.1{number}");
        ip(&format!("link add port-{number} type veth peer name eth0 netns {pid}")).await?;
        ip(&format!("link set port-{number} master {BRIDGE} up")).await?;
        ip_in(pid, &["addr", "add", &format!("{address}/24"), "dev", "eth0"]).await?;
        ip_in(pid, &["link", "set", "eth0", "up"]).await?;
        ip_in(pid, &["route", "add", "default", "via", HUB]).await?;
        ip(&format!("route add {} via {address}", pods_of(number))).await
    }
}

/// The addresses of a node's pods.
pub(crate) fn pods_of(number: u8) -> String {
    format!("10.88.{number}.0/24")
}

async fn ip(words: &str) -> anyhow::Result<()> {
    run("ip", &words.split(' ').collect::<Vec<_>>()).await
}
