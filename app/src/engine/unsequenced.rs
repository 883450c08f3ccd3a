use std::collections::{BTreeMap, VecDeque};

use super::Origin;

/// How many identities are remembered of messages that the primary queue has delivered: all of them, for ever, would be more than
/// a process has. Whoever publishes again does so within seconds. A target recognises by them in the replay queue what the
/// checkpoint has, so no more than these may come between the beginning of the mirror and the checkpoint.
const REMEMBERED_MAX: usize = 100_000;

/// Identities of contained messages that carry no sequence, so that there is no ledger for them.
///
/// One that was read in a replay queue is kept, however many there are, until the primary queue delivers it; or until the replay
/// is over, and what it has delivered since is as much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsequenced {
    /// Whether the primary queue has delivered it.
    known: BTreeMap<String, bool>,
    /// Those that it has, oldest first.
    delivered: VecDeque<String>,
    /// Those that were read in a replay queue that is still there, in its order.
    replayed: VecDeque<String>,
}

impl Unsequenced {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// Whether there was never one.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A message of that identity came out of `origin`, and is in the state.
    pub(crate) fn came(&mut self, id: &str, origin: Origin) {
        let is_new = !self.contains(id);
        let delivered = self.known.entry(id.to_owned()).or_insert(false);
        match origin {
            Origin::Replay if is_new => self.replayed.push_back(id.to_owned()),
            Origin::Primary if !std::mem::replace(delivered, true) => self.delivered.push_back(id.to_owned()),
            Origin::Replay | Origin::Primary => return,
        }
        // Two for each that comes, so that a long replay is forgotten in time.
        for _ in 0..2 {
            if self.delivered.len() > REMEMBERED_MAX
                && let Some(oldest) = self.delivered.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    /// The replay queue is read to its end, and gone. The primary queue may still have what came last in it, and delivers that
    /// before anything new.
    pub(crate) fn replay_is_over(&mut self) {
        for id in std::mem::take(&mut self.replayed) {
            if let Some(delivered @ false) = self.known.get_mut(&id) {
                *delivered = true;
                self.delivered.push_back(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_the_primary_queue_delivered_are_forgotten_and_no_others() {
        let mut unsequenced = Unsequenced::default();
        assert!(unsequenced.is_empty());
        unsequenced.came("replayed", Origin::Replay);
        unsequenced.came("replayed and delivered", Origin::Replay);
        for _ in 0..2 {
            unsequenced.came("replayed and delivered", Origin::Primary);
        }
        for n in 1..REMEMBERED_MAX {
            unsequenced.came(&n.to_string(), Origin::Primary);
        }
        assert!(unsequenced.contains("replayed and delivered"));
        unsequenced.came("one more", Origin::Primary);
        assert!(!unsequenced.contains("replayed and delivered"));
        assert!(["replayed", "1", "one more"].iter().all(|id| unsequenced.contains(id)));
        assert_eq!(unsequenced.known.len(), REMEMBERED_MAX + 1);
    }

    #[test]
    fn what_only_a_replay_queue_had_is_forgotten_some_time_after_it() {
        let mut unsequenced = Unsequenced::default();
        for n in 0..2 * REMEMBERED_MAX {
            unsequenced.came(&format!("r{n}"), Origin::Replay);
        }
        unsequenced.replay_is_over();
        for n in 0..2 * REMEMBERED_MAX {
            unsequenced.came(&format!("r{n}"), Origin::Primary);
        }
        assert_eq!(
            unsequenced.known.len(),
            2 * REMEMBERED_MAX,
            "it delivers those first, and forgets none of them"
        );
        for n in 0..REMEMBERED_MAX {
            unsequenced.came(&n.to_string(), Origin::Primary);
        }
        assert_eq!(unsequenced.known.len(), REMEMBERED_MAX);
        assert!(unsequenced.contains("0") && unsequenced.replayed.is_empty());
    }
}
