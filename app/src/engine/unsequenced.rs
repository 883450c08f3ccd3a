use std::collections::{BTreeMap, VecDeque};

use super::Origin;

/// How many identities are remembered of messages that the primary queue has delivered. Whoever publishes again does so within
/// seconds; all of them, for ever, would be more than a process has.
const REMEMBERED_MAX: usize = 100_000;

/// Identities of contained messages that carry no sequence, so that there is no ledger for them.
///
/// One that was read in a replay queue is kept until the primary queue delivers it, however many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsequenced {
    /// Whether the primary queue has delivered it.
    known: BTreeMap<String, bool>,
    /// Those that it has, oldest first.
    delivered: VecDeque<String>,
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
        let delivered = self.known.entry(id.to_owned()).or_insert(false);
        if origin == Origin::Replay || std::mem::replace(delivered, true) {
            return;
        }
        self.delivered.push_back(id.to_owned());
        if self.delivered.len() > REMEMBERED_MAX
            && let Some(oldest) = self.delivered.pop_front()
        {
            self.known.remove(&oldest);
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
}
