//! What the seeded bugs of this adapter need beyond a condition: nothing of it is used without the feature `seeded-bugs`.

use lapin::Channel;
use tokio::sync::Mutex;

use crate::broker::BrokerError;

/// The channel that everybody gets with [`SeededBug::ShareChannel`](ms2m_app::seeded_bug::SeededBug::ShareChannel).
#[derive(Default)]
pub(super) struct SharedChannel(Mutex<Option<Channel>>);

impl SharedChannel {
    /// The channel, while it is open; otherwise the one that is opened now.
    pub(super) async fn or_open(
        &self,
        open: impl Future<Output = Result<Channel, BrokerError>>,
    ) -> Result<Channel, BrokerError> {
        let mut shared = self.0.lock().await;
        if let Some(channel) = shared.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let opened = open.await?;
        *shared = Some(opened.clone());
        Ok(opened)
    }
}
