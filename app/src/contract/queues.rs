/// How many bytes the name of a queue or an exchange, a routing key, or the name of a header has at most: AMQP's short string.
pub const NAME_BYTES_MAX: usize = 255;

/// The control queue of a pod: durable, consumed exclusively by that pod, deleted with it.
pub fn control_queue(pod_uid: &str) -> String {
    format!("ms2m.control.{pod_uid}")
}

/// The replay queue `R` of a migration: bound like the primary queue, read without ever destroying a message.
pub fn replay_queue(primary: &str, migration_uid: &str) -> String {
    format!("{primary}.ms2m.{migration_uid}")
}

/// Where the applications of a migration answer the operator.
pub fn replies_queue(migration_uid: &str) -> String {
    format!("ms2m.replies.{migration_uid}")
}

/// Where an application puts a message of `primary` that it cannot parse.
pub fn dead_letter_queue(primary: &str) -> String {
    format!("{primary}.ms2m-dead")
}
