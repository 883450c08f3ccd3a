//! What the operator does at the broker.

use super::owners::{Owner, Owners, Whose};
use crate::amqp::{Act, Deed};

/// Whose business was done on a channel so far: a migration has channels of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    workload: Option<usize>,
    migration: Option<String>,
}

impl Lane {
    /// Takes in what one more act was about.
    fn serve(&mut self, act: &Act, whose: &Whose) -> Result<(), String> {
        let other_workload = self.workload.is_some_and(|served| served != whose.workload);
        let both = self.migration.as_ref().zip(whose.migration.as_ref());
        if other_workload || both.is_some_and(|(served, other)| served != other) {
            let Act { deed, queue, .. } = act;
            return Err(format!(
                "{deed:?} of {queue} came on a channel that served workload {:?}, migration {:?}",
                self.workload, self.migration
            ));
        }
        self.workload = Some(whose.workload);
        if whose.migration.is_some() {
            self.migration.clone_from(&whose.migration);
        }
        Ok(())
    }
}

/// Judges one act.
pub(super) fn judge(owners: &Owners, lane: &mut Lane, act: &Act) -> Result<(), String> {
    let Act { deed, queue, .. } = act;
    match deed {
        Deed::OpenChannel => {
            *lane = Lane::default();
            return Ok(());
        }
        Deed::ShapeExchanges => return Err("it changed exchanges, which are everybody's".to_owned()),
        Deed::Publish { exchange, .. } if !exchange.is_empty() => {
            return Err(format!(
                "it published to exchange {exchange}, and so to whoever has bound a queue to it"
            ));
        }
        _ => {}
    }
    let Some(whose) = owners.of_queue(queue) else {
        // The pod may have gone before anybody could see whose it was: to look takes nothing from anybody.
        let is_look = *deed == Deed::Look && queue.starts_with("ms2m.control.");
        return if is_look { Ok(()) } else { Err(format!("{deed:?} of {queue}, which is nobody's")) };
    };
    lane.serve(act, &whose)?;
    let owner = whose.migration.as_ref().and_then(|uid| owners.migration(uid));
    match (deed, owner) {
        (Deed::Publish { migration, .. }, _) => publishes(owners, lane, act, migration, &whose),
        (Deed::Bind { exchange, routing_key } | Deed::Unbind { exchange, routing_key }, Some(owner)) => {
            let bindings = owner.status.mirror.iter().flat_map(|mirror| &mirror.bindings);
            let mut bindings =
                bindings.map(|binding| (binding.exchange.as_str(), binding.routing_key.as_str()));
            if bindings.any(|binding| binding == (exchange.as_str(), routing_key.as_str())) {
                Ok(())
            } else {
                Err(format!("{deed:?} of {queue} is no binding of {}'s primary queue", owner.name))
            }
        }
        (Deed::Delete, Some(owner)) => is_asked_for(owners, lane, act, std::iter::once(owner)),
        (Deed::Delete, None) => match queue.strip_prefix("ms2m.control.") {
            Some(pod) => {
                let its = owners.of_workload(whose.workload).filter(|owner| owner.pods.contains(pod));
                is_asked_for(owners, lane, act, its)
            }
            None => Err(format!("it deleted {queue}, which is its workload's")),
        },
        (Deed::Look | Deed::Read, _) | (Deed::Declare, Some(_)) => Ok(()),
        _ => Err(format!("{deed:?} of {queue}, which is its workload's")),
    }
}

/// A message goes to one queue, and names the migration whose it is.
fn publishes(
    owners: &Owners,
    lane: &mut Lane,
    act: &Act,
    migration: &str,
    whose: &Whose,
) -> Result<(), String> {
    let queue = &act.queue;
    let Some(owner) = owners.migration(migration) else {
        return Err(format!("a message to {queue} is of migration {migration:?}, which nobody knows"));
    };
    lane.serve(act, &Whose { workload: owner.names.index, migration: Some(owner.uid.clone()) })?;
    let is_its_pod = queue.strip_prefix("ms2m.control.").is_none_or(|pod| owner.pods.contains(pod));
    if owner.names.index != whose.workload || !is_its_pod {
        return Err(format!("a message of {} went to {queue}, which it has nothing to do with", owner.name));
    }
    Ok(())
}

/// What is taken away was asked for by its own migration: the channel is that migration's, or, where it says nothing yet
/// and somebody else may have asked, the status of its own says that it is to go.
fn is_asked_for<'a>(
    owners: &'a Owners,
    lane: &Lane,
    act: &Act,
    mut its: impl Iterator<Item = &'a Owner>,
) -> Result<(), String> {
    let queue = &act.queue;
    let asked = match (&lane.migration, lane.workload) {
        (Some(uid), _) => its.any(|owner| owner.uid == *uid),
        (None, Some(workload)) if owners.others_are_under_way(workload) => its.any(Owner::takes_down),
        (None, _) => its.next().is_some(),
    };
    if asked { Ok(()) } else { Err(format!("it deleted {queue}, and no migration that owns it had asked")) }
}
