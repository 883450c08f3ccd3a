use std::{future::Future, time::Duration};

use lapin::Connection;

/// Waits for the confirm of a publish; `None` where it takes longer than `deadline`.
///
/// The time of a broker's alarm does not count, in which it blocks whoever publishes (`connection.blocked`): another connection
/// would be blocked as well, and one that is given up meanwhile stays, with its thread and its buffers, until the alarm is over.
pub(crate) async fn confirmed<T>(
    connection: &Connection,
    deadline: Duration,
    confirm: impl Future<Output = T>,
) -> Option<T> {
    let mut confirm = std::pin::pin!(confirm);
    loop {
        match tokio::time::timeout(deadline, &mut confirm).await {
            Ok(answer) => return Some(answer),
            Err(_) if connection.status().blocked() => {}
            Err(_) => return None,
        }
    }
}
