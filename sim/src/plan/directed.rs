//! Where a fault can do something, and what it needs beside it: a draw that knows nothing of that mostly hits what is not
//! there yet, or not there any more.

use fastrand::Rng;
use ms2m::api::Phase;

use super::{Fault, FaultKind, Link, Moment, Step, generate::choose};

/// How many of [`Step::all`] come before there is a shadow pod.
const BEFORE_THE_SHADOW: usize = 8;
/// How many of them come before a checkpoint is asked for.
const BEFORE_THE_CHECKPOINT: usize = 5;
/// Where the queue is about to change its owner, and the way back is still open.
pub(super) const BEFORE_THE_HANDOVER: [Step; 3] = [Step::StopSent, Step::Stopped, Step::EndSent];

/// The steps at which a fault of a kind finds what it is about.
pub(super) fn steps(kind: FaultKind) -> Vec<Step> {
    let all = Step::all();
    match kind {
        // What the world does wrong is there before the migration meets it.
        kind if kind.lies_in_wait() => all[..BEFORE_THE_CHECKPOINT].to_vec(),
        FaultKind::KillTarget
        | FaultKind::FreezeTarget
        | FaultKind::DeleteTarget
        | FaultKind::ForceDeleteTarget
        | FaultKind::DropTarget
        | FaultKind::CloseTargetChannels
        | FaultKind::DeleteTargetControl
        | FaultKind::Hold(Link::TargetBroker)
        | FaultKind::Partition(Link::TargetBroker)
        | FaultKind::PartitionTo(Link::TargetBroker)
        | FaultKind::PartitionFrom(Link::TargetBroker)
        | FaultKind::Slow(Link::TargetBroker) => all[BEFORE_THE_SHADOW..].to_vec(),
        FaultKind::RepeatControl | FaultKind::DeleteReplayQueue => all[4..].to_vec(),
        // Before the first write nobody listens.
        FaultKind::TalkNonsense => all[1..].to_vec(),
        _ => all,
    }
}

/// What must break, too, for a fault to matter; nothing most of the time.
pub(super) fn companions(rng: &mut Rng, fault: &Fault) -> Vec<Fault> {
    let beside = |kind: FaultKind, step: Step, after_ms: u64, lasts_ms: u64| Fault {
        at: Moment { step, after_ms, ..fault.at },
        kind,
        lasts_ms,
    };
    let mut all = Vec::new();
    // A migration that goes well never rolls back.
    if matches!(fault.at.step, Step::Phase(Phase::RollingBack) | Step::ResumeSent) && rng.u8(..4) > 0 {
        all.push(beside(FaultKind::Cancel, early(rng), rng.u64(..2_000), 0));
    }
    match fault.kind {
        // Only a watch that has missed something finds that its history is gone.
        FaultKind::CompactHistory => {
            let deaf_ms = rng.u64(500..4_000);
            all.push(beside(FaultKind::StallWatches, fault.at.step, fault.at.after_ms, deaf_ms));
        }
        // A producer's first message matters most, and is left to the target where the source has not got to it.
        FaultKind::LateBindings if rng.u8(..3) == 0 => {
            let (begin_ms, down_ms) = (rng.u64(..150), rng.u64(10..60));
            all.push(beside(FaultKind::CrashTraffic, Step::SyncSent, begin_ms, down_ms));
            let hold = FaultKind::Hold(Link::SourceBroker);
            all.push(beside(hold, Step::Phase(Phase::Checkpointing), 0, rng.u64(3_000..9_000)));
        }
        // What went past the replay queue is missed only when the source cannot say that it had it.
        FaultKind::LateBindings if rng.bool() => {
            let kind = if rng.bool() { FaultKind::KillSource } else { FaultKind::LoseSourceNode };
            let steps = [Phase::Transferring, Phase::Restoring, Phase::Replaying, Phase::SwitchingOver];
            let step = Step::Phase(*choose(rng, &steps));
            let lasts_ms = if kind.lasts() { rng.u64(1_000..40_000) } else { 0 };
            all.push(beside(kind, step, rng.u64(..1_000), lasts_ms));
        }
        // A node that stays away for long is not waited for: what lies on it is left there.
        FaultKind::LoseSourceNode | FaultKind::CrashSourceKubelet if rng.u8(..3) == 0 => {
            all.push(beside(FaultKind::Cancel, fault.at.step, rng.u64(..3_000), 0));
        }
        // A source that nobody hears is fenced by the broker, and comes back when another owns the queue.
        FaultKind::Partition(Link::SourceBroker) | FaultKind::Hold(Link::SourceBroker) if rng.bool() => {
            let lasts_ms = rng.u64(10_000..60_000);
            all.push(beside(FaultKind::CrashSourceKubelet, fault.at.step, fault.at.after_ms, lasts_ms));
        }
        _ => {}
    }
    all
}

/// Repeats what was said in a workload's earlier migrations; with one of them called off when the source had stopped, a
/// late `RESUME` is among it.
pub(super) fn echo(rng: &mut Rng, workload: usize, round: u32) -> Vec<Fault> {
    let steps = Step::all();
    let fault = |kind, round, step, after_ms| Fault {
        at: Moment { workload, round, step, after_ms },
        kind,
        lasts_ms: 0,
    };
    if rng.bool() {
        let step = *choose(rng, &steps[4..]);
        return vec![fault(FaultKind::RepeatControl, round, step, rng.u64(..800))];
    }
    vec![
        fault(FaultKind::Cancel, round - 1, *choose(rng, &BEFORE_THE_HANDOVER), 0),
        fault(FaultKind::RepeatControl, round, *choose(rng, &BEFORE_THE_HANDOVER), rng.u64(..200)),
    ]
}

/// A step before the point of no return.
fn early(rng: &mut Rng) -> Step {
    let steps = Step::all();
    let end = steps.iter().position(|step| *step == Step::PointOfNoReturn).unwrap_or(steps.len());
    *choose(rng, &steps[1..end])
}
