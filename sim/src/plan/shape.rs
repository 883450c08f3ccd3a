use serde::{Deserialize, Serialize};

/// How a workload's queue is made, and how messages get into it. The operator's preflight accepts all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Shape {
    /// The kind of the exchange that everybody publishes to.
    pub exchange: ExchangeKind,
    /// How the queue is bound.
    pub bound: Bound,
    /// The kind of the queue.
    pub queue: QueueKind,
    /// Whether what the queue rejects goes to an exchange for dead letters.
    pub dead_letters: bool,
}

/// How an exchange chooses the queues of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeKind {
    /// By the pattern of the binding's key.
    #[default]
    Topic,
    /// By the binding's key.
    Direct,
    /// All of them.
    Fanout,
    /// By the arguments of the binding, which are compared with the message's headers.
    Headers,
}

/// How a queue is bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Once.
    #[default]
    Once,
    /// Twice to one exchange. Where keys count, a producer's messages come by the one and by the other in turn.
    Twice,
    /// To two exchanges, each with producers of its own.
    ToTwo,
}

/// The kind of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueKind {
    /// Its consumer is exclusive.
    #[default]
    Classic,
    /// It knows no exclusive consumer, but a single active one.
    Quorum,
}

impl Shape {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl ExchangeKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Topic, Self::Direct, Self::Fanout, Self::Headers];

    /// What AMQP calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Headers => "headers",
        }
    }
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Once, Self::Twice, Self::ToTwo];
}

impl QueueKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Quorum];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Workload;

    #[test]
    fn only_what_is_not_usual_is_saved() {
        let saved = |shape| serde_json::to_value(Workload { shape, ..Workload::default() }).unwrap();
        assert_eq!(saved(Shape::default()).get("shape"), None);
        let headers = Shape { exchange: ExchangeKind::Headers, bound: Bound::ToTwo, ..Shape::default() };
        let value = saved(headers);
        assert_eq!(value["shape"]["exchange"], "headers");
        assert_eq!(value["shape"]["bound"], "to-two");
        assert_eq!(serde_json::from_value::<Workload>(value).unwrap().shape, headers);
    }

    #[test]
    fn what_a_plan_leaves_out_is_as_usual() {
        let shape: Shape = serde_json::from_str(r#"{"queue":"quorum"}"#).unwrap();
        assert_eq!(shape, Shape { queue: QueueKind::Quorum, ..Shape::default() });
    }
}
