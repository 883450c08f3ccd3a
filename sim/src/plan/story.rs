//! Faults that belong together, and lead where hardly any draw of single ones does.

use fastrand::Rng;
use ms2m::api::Phase;

use super::{Fault, FaultKind, Link, Moment, Step, directed::BEFORE_THE_HANDOVER, generate::choose};

/// A story of a workload's migration, each as likely as the next.
pub(super) fn story(rng: &mut Rng, workload: usize, round: u32) -> Vec<Fault> {
    let tell = *choose(rng, &STORIES);
    tell(&mut Teller { rng, workload, round })
}

const STORIES: [fn(&mut Teller<'_>) -> Vec<Fault>; 20] = [
    fenced_and_back,
    nobody_cleans_up,
    late_stop,
    nothing_to_replay,
    nothing_restores,
    target_lost_for_good,
    mirror_changes,
    unrecorded_handover,
    lost_write,
    lost_after_the_handover,
    gone_with_its_control_queue,
    waited_for_in_vain,
    nonsense,
    begun_past_the_replay_queue,
    evicted,
    checkpoint_hangs,
    half_an_image,
    output_in_flight_at_stop,
    image_outlives,
    written_unheard,
];

/// Whom a story is about.
struct Teller<'a> {
    rng: &'a mut Rng,
    workload: usize,
    round: u32,
}

impl Teller<'_> {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *choose(self.rng, of)
    }

    /// The source dies, or nobody hears of it for a while.
    fn without_source(&mut self, phase: Phase, away_ms: u64) -> Fault {
        let partition = FaultKind::Partition(Link::SourceBroker);
        let kind = self.one(&[FaultKind::KillSource, FaultKind::KillSource, partition]);
        let after_ms = self.rng.u64(..500);
        self.fault(kind, Step::Phase(phase), after_ms, if kind.lasts() { away_ms } else { 0 })
    }

    fn fault(&self, kind: FaultKind, step: Step, after_ms: u64, lasts_ms: u64) -> Fault {
        let at = Moment { workload: self.workload, round: self.round, step, after_ms };
        Fault { at, kind, lasts_ms }
    }
}

/// A source that hears nothing is fenced by the broker. When it is back, what would stop it is gone.
fn fenced_and_back(teller: &mut Teller<'_>) -> Vec<Fault> {
    let switching_over = Step::Phase(Phase::SwitchingOver);
    let away_ms = teller.rng.u64(30_000..60_000);
    let kubelet_ms = away_ms + teller.rng.u64(5_000..30_000);
    let late = teller.one(&[Step::Switched, Step::Routed]);
    let late_ms = teller.rng.u64(..5_000);
    vec![
        teller.fault(FaultKind::Partition(Link::SourceBroker), switching_over, 0, away_ms),
        teller.fault(FaultKind::CrashSourceKubelet, switching_over, 0, kubelet_ms),
        teller.fault(FaultKind::DeleteSourceControl, late, late_ms, 0),
    ]
}

/// Nobody waits for ever for a node that is to clean up.
fn nobody_cleans_up(teller: &mut Teller<'_>) -> Vec<Fault> {
    let step =
        teller.one(&[Step::Switched, Step::Routed, Step::SourceGone, Step::Unbound, Step::ReplayDeleted]);
    let away_ms = teller.rng.u64(150_000..280_000);
    vec![teller.fault(FaultKind::CrashSourceKubelet, step, 0, away_ms)]
}

/// A source that owns its queue again is told once more to stop, by a message that is late.
fn late_stop(teller: &mut Teller<'_>) -> Vec<Fault> {
    let called_off = teller.one(&BEFORE_THE_HANDOVER);
    let late = teller.one(&[Step::ResumeSent, Step::Over]);
    let late_ms = teller.rng.u64(..2_000);
    vec![
        teller.fault(FaultKind::Cancel, called_off, 0, 0),
        teller.fault(FaultKind::RepeatControl, late, late_ms, 0),
    ]
}

/// Without the source's RAM and without what it has done since, nothing is left to go on with; while it may only be cut off,
/// it is waited for.
fn nothing_to_replay(teller: &mut Teller<'_>) -> Vec<Fault> {
    let missing = teller.one(&[Phase::Restoring, Phase::Restoring, Phase::Replaying]);
    let lost = teller.one(&[Phase::Replaying, Phase::Replaying, Phase::SwitchingOver]);
    let (away_ms, lost_ms) = (teller.rng.u64(20_000..60_000), teller.rng.u64(..100));
    vec![
        teller.without_source(missing, away_ms),
        teller.fault(FaultKind::DeleteReplayQueue, Step::Phase(lost), lost_ms, 0),
    ]
}

/// Without it, and without a runtime that restores, neither.
fn nothing_restores(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind = teller.one(&[FaultKind::FailRestores, FaultKind::RestoreFresh]);
    let lasts_ms = teller.rng.u64(60_000..280_000);
    vec![
        teller.fault(kind, Step::Phase(Phase::Transferring), 0, lasts_ms),
        teller.without_source(Phase::Restoring, lasts_ms),
    ]
}

/// A target that had begun to replay, and cannot be made again.
fn target_lost_for_good(teller: &mut Teller<'_>) -> Vec<Fault> {
    let step = Step::Phase(teller.one(&[Phase::Replaying, Phase::SwitchingOver]));
    let lasts_ms = teller.rng.u64(20_000..200_000);
    let after_ms = teller.rng.u64(..200);
    vec![
        teller.fault(FaultKind::FailRestores, step, 0, lasts_ms),
        teller.fault(FaultKind::KillTarget, step, after_ms, 0),
    ]
}

/// What is mirrored changes, or is lost, before anything relies on it.
fn mirror_changes(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind =
        teller.one(&[FaultKind::DeleteReplayQueue, FaultKind::DeleteReplayQueue, FaultKind::ChangeBindings]);
    let step = teller.one(&[Step::Phase(Phase::Mirroring), Step::Bound, Step::SyncSent]);
    let after_ms = teller.rng.u64(..100);
    vec![teller.fault(kind, step, after_ms, 0)]
}

/// What is done after a write relies on it; nowhere more than where the owner changes.
fn unrecorded_handover(teller: &mut Teller<'_>) -> Vec<Fault> {
    let lasts_ms = teller.rng.u64(500..4_000);
    vec![teller.fault(FaultKind::ApiConflicts, Step::EndSent, 0, lasts_ms)]
}

/// The same, where the write is lost or nobody hears that it is not.
fn lost_write(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind = teller.one(&[FaultKind::LoseWrite, FaultKind::LoseAcknowledgement]);
    let step = teller.one(&BEFORE_THE_HANDOVER);
    let after_ms = teller.rng.u64(..40);
    vec![teller.fault(kind, step, after_ms, 0)]
}

/// Nobody needs the replay queue any more, unless the target has to be made again.
fn lost_after_the_handover(teller: &mut Teller<'_>) -> Vec<Fault> {
    let step = teller.one(&[Step::PointOfNoReturn, Step::TakeOverSent, Step::Switched, Step::SourceGone]);
    let after_ms = teller.rng.u64(..50);
    let mut faults = vec![teller.fault(FaultKind::DeleteReplayQueue, step, after_ms, 0)];
    if teller.rng.bool() {
        faults.push(teller.fault(FaultKind::KillTarget, step, 0, 0));
    }
    faults
}

/// Nobody is left who could be told to stop.
fn gone_with_its_control_queue(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind = teller.one(&[FaultKind::DeleteSource, FaultKind::ForceDeleteSource]);
    let step = teller.one(&[Step::Phase(Phase::Restoring), Step::ShadowSeen]);
    let after_ms = teller.rng.u64(..1_000);
    vec![
        teller.fault(kind, Step::Phase(Phase::Transferring), 0, 0),
        teller.fault(FaultKind::DeleteSourceControl, step, after_ms, 0),
    ]
}

/// The migration is called off while somebody deletes the source, and its node does not confirm it for a long time, or never
/// was asked to.
fn waited_for_in_vain(teller: &mut Teller<'_>) -> Vec<Fault> {
    let step = teller.one(&[
        Step::Phase(Phase::Mirroring),
        Step::Phase(Phase::Transferring),
        Step::Phase(Phase::Replaying),
        Step::StopSent,
    ]);
    let kind = teller.one(&[FaultKind::DeleteSource, FaultKind::ForceDeleteSource]);
    let away_ms = teller.rng.u64(20_000..200_000);
    vec![
        teller.fault(FaultKind::CrashSourceKubelet, step, 0, away_ms),
        teller.fault(kind, step, 0, 0),
        teller.fault(FaultKind::Cancel, step, 0, 0),
    ]
}

/// An epoch that has none after it is heard before the source's own, or where the source says nothing; what nobody can have counted is heard of a replay.
fn nonsense(teller: &mut Teller<'_>) -> Vec<Fault> {
    let (phase, from_ms, to_ms) =
        teller.one(&[(Phase::Pending, 10, 70), (Phase::Pending, 200, 3_000), (Phase::Replaying, 80, 200)]);
    let after_ms = teller.rng.u64(from_ms..to_ms);
    let mut faults = vec![teller.fault(FaultKind::TalkNonsense, Step::Phase(phase), after_ms, 0)];
    if (phase, from_ms) == (Phase::Pending, 200) {
        let (hold, away_ms) = (FaultKind::Hold(Link::SourceBroker), teller.rng.u64(35_000..50_000));
        faults.push(teller.fault(hold, Step::Asked, 0, away_ms));
    }
    faults
}

/// Producers begin while the replay queue's binding is not in force yet. The source gets to their first messages late, or dies
/// with them.
fn begun_past_the_replay_queue(teller: &mut Teller<'_>) -> Vec<Fault> {
    let (begin_ms, down_ms) = (teller.rng.u64(..150), teller.rng.u64(10..60));
    let (late_ms, away_ms) = (teller.rng.u64(5_000..15_000), teller.rng.u64(3_000..30_000));
    let source = if teller.rng.bool() {
        teller.fault(FaultKind::Hold(Link::SourceBroker), Step::Phase(Phase::Checkpointing), 0, away_ms)
    } else {
        teller.without_source(Phase::Transferring, away_ms)
    };
    vec![
        teller.fault(FaultKind::LateBindings, Step::Asked, 0, late_ms),
        teller.fault(FaultKind::CrashTraffic, Step::SyncSent, begin_ms, down_ms),
        source,
    ]
}

/// A node falls silent for longer than its pods tolerate, and the cluster deletes them; nobody there hears of it before it is
/// back.
fn evicted(teller: &mut Teller<'_>) -> Vec<Fault> {
    let (kubelet, link, steps) = if teller.rng.bool() {
        let early = [Phase::Mirroring, Phase::Checkpointing, Phase::Transferring, Phase::Replaying];
        (FaultKind::CrashSourceKubelet, Link::SourceNodeApi, early.map(Step::Phase).to_vec())
    } else {
        let steps = [Step::ShadowSeen, Step::Phase(Phase::Replaying), Step::StopSent, Step::Switched];
        (FaultKind::CrashTargetKubelet, Link::TargetNodeApi, steps.to_vec())
    };
    let kind = if teller.rng.bool() { kubelet } else { FaultKind::Partition(link) };
    let (step, away_ms) = (teller.one(&steps), teller.rng.u64(60_000..150_000));
    vec![teller.fault(kind, step, 0, away_ms)]
}

/// A checkpoint that does not end is waited for as long as the kubelet waits for it, or until the migration is called off.
fn checkpoint_hangs(teller: &mut Teller<'_>) -> Vec<Fault> {
    let hangs_ms = teller.rng.u64(100_000..280_000);
    let mut faults =
        vec![teller.fault(FaultKind::HangCheckpoints, Step::Phase(Phase::Mirroring), 0, hangs_ms)];
    if teller.rng.u8(..3) == 0 {
        let (kind, after_ms) =
            (teller.one(&[FaultKind::Cancel, FaultKind::CrashOperator]), teller.rng.u64(..60_000));
        let lasts_ms = if kind.lasts() { teller.rng.u64(500..20_000) } else { 0 };
        faults.push(teller.fault(kind, Step::Phase(Phase::Checkpointing), after_ms, lasts_ms));
    }
    faults
}

/// The registry has blobs without a manifest, or an image whose digest nobody was told, when the push is tried again or the
/// migration is called off.
fn half_an_image(teller: &mut Teller<'_>) -> Vec<Fault> {
    let transferring = Step::Phase(Phase::Transferring);
    let kind =
        teller.one(&[FaultKind::LosePushAnswers, FaultKind::CrashTransfers, FaultKind::RefuseManifests]);
    let (lasts_ms, cancelled_ms) = (teller.rng.u64(600..20_000), teller.rng.u64(300..15_000));
    let mut faults = vec![teller.fault(kind, transferring, 0, lasts_ms)];
    if teller.rng.bool() {
        faults.push(teller.fault(FaultKind::Cancel, transferring, cancelled_ms, 0));
    }
    faults
}

/// What the source has emitted is lost on its way, and when it can emit it again it is told to stop.
fn output_in_flight_at_stop(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind = teller.one(&[FaultKind::CrashBroker, FaultKind::DropSource, FaultKind::CloseSourceChannels]);
    let step = teller.one(&[Step::Phase(Phase::SwitchingOver), Step::StopSent]);
    let (after_ms, down_ms) = (teller.rng.u64(..60), teller.rng.u64(200..1_500));
    vec![teller.fault(kind, step, after_ms, if kind.lasts() { down_ms } else { 0 })]
}

/// The image is to be deleted when the registry is not there, or does not say that it has done it.
fn image_outlives(teller: &mut Teller<'_>) -> Vec<Fault> {
    let kind = teller.one(&[
        FaultKind::RegistryDown,
        FaultKind::CrashRegistry,
        FaultKind::HangRegistry,
        FaultKind::LoseReports,
    ]);
    let step = teller.one(&[Step::PointOfNoReturn, Step::Switched, Step::SourceGone, Step::ReplayDeleted]);
    let (lasts_ms, cancelled_ms) = (teller.rng.u64(1_000..60_000), teller.rng.u64(..500));
    if teller.rng.u8(..3) == 0 {
        let restoring = Step::Phase(Phase::Restoring);
        return vec![
            teller.fault(kind, restoring, 0, lasts_ms),
            teller.fault(FaultKind::Cancel, restoring, cancelled_ms, 0),
        ];
    }
    vec![teller.fault(kind, step, 0, lasts_ms)]
}

/// Whoever asked for a checkpoint is gone, its kubelet cannot hear that, and goes on with it when the migration is given up.
fn written_unheard(teller: &mut Teller<'_>) -> Vec<Fault> {
    let checkpointing = Step::Phase(Phase::Checkpointing);
    let link = Link::SourceNodeApi;
    let kind = teller.one(&[FaultKind::Partition(link), FaultKind::PartitionFrom(link)]);
    let (hangs_ms, away_ms) = (teller.rng.u64(20_000..115_000), teller.rng.u64(4_000..15_000));
    let (away_after_ms, crash_after_ms) = (teller.rng.u64(50..800), teller.rng.u64(10..300));
    let crash_ms = away_after_ms + crash_after_ms;
    vec![
        teller.fault(FaultKind::HangCheckpoints, Step::Phase(Phase::Mirroring), 0, hangs_ms),
        teller.fault(kind, checkpointing, away_after_ms, away_ms),
        teller.fault(FaultKind::CrashOperator, checkpointing, crash_ms, 700),
    ]
}
