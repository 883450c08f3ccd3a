use std::{future::Future, time::Duration};

use lapin::Connection;

/// Waits for an answer of the broker; `None` where it takes longer than `deadline`.
///
/// The time of a broker's alarm does not count, in which it blocks whoever publishes (`connection.blocked`), and the client writes
/// nothing at all: another connection would be blocked as well, and one that is given up meanwhile stays, with its thread and its
/// buffers, until the alarm is over.
pub(crate) async fn answered<T>(
    connection: &Connection,
    deadline: Duration,
    call: impl Future<Output = T>,
) -> Option<T> {
    let mut call = std::pin::pin!(call);
    loop {
        match tokio::time::timeout(deadline, &mut call).await {
            Ok(answer) => return Some(answer),
            Err(_) if connection.status().blocked() => {}
            Err(_) => return None,
        }
    }
}
