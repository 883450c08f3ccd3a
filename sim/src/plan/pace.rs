use serde::{Deserialize, Serialize};

/// How fast the parties of a world are, how often they look, and how long they wait: no fault, but different in every cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pace {
    /// How many migrations the operator works on at the same moment.
    pub concurrency: u16,
    /// How long a call of the operator to the broker may take, in milliseconds.
    pub broker_deadline_ms: u64,
    /// How long the API server's controllers take to see a change, in milliseconds.
    pub controllers_ms: u64,
    /// How often a kubelet says that its node lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// How long a kubelet's watch of its pods lasts, in seconds.
    pub watch_s: u32,
    /// How long a container takes to start, in milliseconds.
    pub start_ms: u64,
    /// What it takes more where it is restored, in milliseconds.
    pub restore_ms: u64,
    /// How long a checkpoint stops the process, in milliseconds.
    pub freeze_ms: u64,
    /// How long the checkpoint's archive takes to be written after that, in milliseconds.
    pub write_ms: u64,
    /// How many bytes of a connection go out in one segment at most; any number where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<u32>,
    /// How long the operator waits before it asks or looks again, in percent of what it usually waits.
    #[serde(skip_serializing_if = "is_as_usual")]
    pub ask_again_percent: u32,
}

/// What the intervals of the operator that ships are, in percent of themselves.
const AS_USUAL: u32 = 100;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_as_usual(percent: &u32) -> bool {
    *percent == AS_USUAL
}

impl Default for Pace {
    /// Start, restore, freeze and write are as measured on containerd 2.1 and CRIU 4.2.
    fn default() -> Self {
        Self {
            concurrency: 16,
            broker_deadline_ms: 5_000,
            controllers_ms: 10,
            heartbeat_ms: 10_000,
            watch_s: 10,
            start_ms: 400,
            restore_ms: 700,
            freeze_ms: 50,
            write_ms: 300,
            segment_bytes: None,
            ask_again_percent: AS_USUAL,
        }
    }
}

impl Pace {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let bounds = [
            ("concurrency", u64::from(self.concurrency), 1, 64),
            ("brokerDeadlineMs", self.broker_deadline_ms, 100, 60_000),
            ("controllersMs", self.controllers_ms, 1, 10_000),
            // A node whose lease is older than 40 s is taken for lost.
            ("heartbeatMs", self.heartbeat_ms, 100, 20_000),
            ("watchS", u64::from(self.watch_s), 1, 14),
            ("startMs", self.start_ms, 1, 60_000),
            ("restoreMs", self.restore_ms, 1, 60_000),
            ("freezeMs", self.freeze_ms, 1, 60_000),
            ("writeMs", self.write_ms, 1, 60_000),
            ("segmentBytes", self.segment_bytes.map_or(1_460, u64::from), 8, 1 << 20),
            // One that waits for longer does not look again within the shortest deadlines, and gives up where nothing is wrong.
            ("askAgainPercent", u64::from(self.ask_again_percent), 10, 300),
        ];
        match bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(format!("pace.{name} is {value}: it must be {least} to {most}"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_is_not_written_and_what_is_left_out_is_as_usual() {
        let quick = Pace { ask_again_percent: 25, ..Pace::default() };
        let json = serde_json::to_value(&quick).expect("a pace is JSON");
        assert_eq!(json["askAgainPercent"], 25);
        assert_eq!(serde_json::from_value::<Pace>(json).expect("it is a pace"), quick);
        let usual = serde_json::to_value(Pace::default()).expect("a pace is JSON");
        assert_eq!(usual.get("askAgainPercent"), None);
        assert_eq!(serde_json::from_value::<Pace>(usual).expect("it is a pace"), Pace::default());
    }

    #[test]
    fn an_operator_that_never_rests_or_hardly_ever_asks_is_refused() {
        for percent in [10, 25, 100, 300] {
            assert_eq!(Pace { ask_again_percent: percent, ..Pace::default() }.check(), Ok(()));
        }
        for percent in [0, 9, 301, u32::MAX] {
            let told = Pace { ask_again_percent: percent, ..Pace::default() }.check();
            let problem = format!("pace.askAgainPercent is {percent}: it must be 10 to 300");
            assert_eq!(told, Err(problem));
        }
    }
}
