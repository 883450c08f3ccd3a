use std::time::Duration;

use ms2m_counter::{CounterState, Run};

use super::{Oracle, memory, ownership::is_of};
use crate::world::{Cluster, Container};

impl Oracle {
    /// No process, whether it survives or not, has applied a message twice, or after one that its producer sent later.
    ///
    /// At the end the same is asked of the survivor, which must also hold nothing that nobody published.
    pub(super) fn applies_once_in_order(&mut self, cluster: &Cluster, at: Duration) {
        let found = {
            let state = cluster.machines.lock();
            let may_have = |it: &&Container| may_have_applied(it.ended, self.looked_at);
            let mut ours = state.containers.values().filter(may_have).filter(|it| is_of(it, self.names));
            ours.find_map(|container| {
                let (invariant, what) = memory(container)?.cell().look(|ram| wrong(ram.state()))?;
                Some((invariant, format!("{} has {what}", container.host)))
            })
        };
        if let Some((invariant, message)) = found {
            self.broke(at, invariant, message);
        }
    }
}

/// Whether a process has applied something that was not seen yet: one that had ended when it was last looked at has not.
fn may_have_applied(ended: Option<Duration>, looked_at: Duration) -> bool {
    ended.is_none_or(|ended| ended >= looked_at)
}

/// What was applied again, or too late, and the invariant that this breaks.
fn wrong(state: &CounterState) -> Option<(&'static str, String)> {
    state.producers.iter().find_map(|(producer, applied)| {
        let (invariant, run, latest) = wrong_run(&applied.runs)?;
        let how = if invariant == "Order" { "after" } else { "again, having got to" };
        Some((invariant, format!("applied {producer} {}-{} {how} {latest}", run.first, run.last)))
    })
}

/// The first run that does not come after all those before it, and how far these had got.
fn wrong_run(runs: &[Run]) -> Option<(&'static str, Run, u64)> {
    let mut latest = None;
    for (index, run) in runs.iter().enumerate() {
        if let Some(latest) = latest.filter(|latest| run.first <= *latest) {
            let is_again = runs[..index].iter().any(|known| overlap(known, run));
            return Some((if is_again { "NoDuplicate" } else { "Order" }, *run, latest));
        }
        latest = Some(run.last);
    }
    None
}

fn overlap(one: &Run, other: &Run) -> bool {
    one.first <= other.last && other.first <= one.last
}

#[cfg(test)]
mod tests {
    use ms2m_app::contract::MessageId;

    use super::*;

    fn applied(seqs: &[u64]) -> Option<(&'static str, String)> {
        let mut state = CounterState::started("one");
        for seq in seqs {
            state.add(&MessageId { producer: "a".to_owned(), seq: *seq }, 1);
        }
        wrong(&state)
    }

    #[test]
    fn what_goes_up_is_right_with_gaps_too() {
        assert_eq!(applied(&[]), None);
        assert_eq!(applied(&[3, 4, 5]), None);
        assert_eq!(applied(&[3, 4, 7, 9]), None);
    }

    #[test]
    fn what_comes_again_is_a_duplicate() {
        assert_eq!(
            applied(&[1, 2, 2]),
            Some(("NoDuplicate", "applied a 2-2 again, having got to 2".to_owned()))
        );
        assert_eq!(
            applied(&[1, 2, 5, 6, 2, 3]),
            Some(("NoDuplicate", "applied a 2-3 again, having got to 6".to_owned()))
        );
    }

    #[test]
    fn what_comes_too_late_is_out_of_order() {
        assert_eq!(applied(&[1, 2, 5, 3, 4]), Some(("Order", "applied a 3-4 after 5".to_owned())));
    }

    #[test]
    fn a_process_is_looked_at_once_more_after_its_end() {
        let looked_at = Duration::from_millis(10);
        assert!(may_have_applied(None, looked_at));
        assert!(may_have_applied(Some(Duration::from_millis(11)), looked_at));
        assert!(may_have_applied(Some(looked_at), looked_at), "in that instant it may have gone on");
        assert!(!may_have_applied(Some(Duration::from_millis(9)), looked_at));
    }
}
