//! What a run tells its report; this needs no browser.

use ms2m_sim::{
    plan::{Fault, FaultKind, Plan, Step},
    report::{History, html},
    world,
};

#[test]
fn who_ran_where_and_what_was_struck_is_told() {
    let killed = Fault::new(FaultKind::KillTarget, Step::ReplaySent);
    let plan = Plan::calm(5).with(killed).with("hold:operator-broker@Restoring".parse().unwrap());
    let verdict = world::run(plan.clone(), world::Tracing::On);
    assert!(verdict.holds(), "{:#?}", verdict.violations);
    let History { nodes, casts, processes, pods, strikes, writes } = &verdict.history;
    assert_eq!(*nodes, ["node-1", "node-2"]);
    assert_eq!(casts.len(), 1);

    let of = |pod: &str| processes.iter().filter(|process| process.pod == pod).collect::<Vec<_>>();
    let (sources, targets) = (of("counter"), of("counter-shadow"));
    assert!(sources.len() == 1 && !sources[0].restored && sources[0].node == "node-1", "{sources:?}");
    let [first, .., last] = targets.as_slice() else {
        panic!("a second target follows the first: {targets:?}")
    };
    assert_eq!((first.exit_code, last.exit_code, last.until_ms), (Some(137), None, None));
    assert!(targets.iter().all(|target| target.restored && target.node == "node-2"), "{targets:?}");
    assert!(pods.iter().any(|pod| pod.pod == "counter" && pod.until_ms.is_some()), "{pods:?}");
    assert!(pods.iter().any(|pod| pod.pod == "counter-shadow" && pod.until_ms.is_none()), "{pods:?}");

    let struck: Vec<_> =
        strikes.iter().map(|strike| (strike.kind.as_str(), strike.parties.join(" "))).collect();
    let expected = [("hold:operator-broker", "operator broker"), ("kill-target", "counter-shadow")];
    assert_eq!(struck, expected.map(|(kind, parties)| (kind, parties.to_owned())));
    assert_eq!(strikes[0].until_ms.map(|until| until - strikes[0].from_ms), Some(5_000));
    assert_eq!(strikes[1].until_ms, Some(strikes[1].from_ms), "it happens at an instant");
    assert_eq!(first.until_ms, Some(strikes[1].from_ms));

    assert!(writes.iter().any(|write| write.text.ends_with("statefulmigrations/move/status")), "{writes:?}");
    let parties: Vec<&str> = verdict.letters.iter().flat_map(|letter| [&*letter.from, &*letter.to]).collect();
    let known = ["operator", "counter", "counter-shadow", "orders", "orders.ms2m.move"];
    assert!(parties.iter().all(|party| known.contains(party)), "{parties:?}");
    assert!(known.iter().all(|party| parties.contains(party)), "{parties:?}");

    // What the plot of the page shows, and the timeline says in words.
    let events = verdict.timeline.events().iter();
    let told: Vec<&str> =
        events.filter_map(|event| event.text.strip_prefix("lag ")?.split(' ').next()).collect();
    let measured: Vec<String> = verdict.samples.iter().map(|sample| sample.lag.to_string()).collect();
    assert!(measured.len() > 1 && measured == told, "{measured:?} {told:?}");
    let page = html(&verdict, &plan, "cargo sim run").unwrap();
    for sample in &verdict.samples {
        let written = format!("{{\"at_ms\":{},\"workload\":0,\"lag\":{},", sample.at_ms, sample.lag);
        assert!(page.contains(&written), "{written} is not in the page");
    }
}
