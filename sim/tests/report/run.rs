use std::{collections::BTreeSet, fs, path::PathBuf, sync::OnceLock};

use ms2m_sim::{
    plan::{Fault, FaultKind, Plan, Scenario, Step, Workload},
    report::{Violation, html},
    world,
};

use super::{
    chromium::Chromium,
    page::{Page, Theme},
    written::{file, looks_right, report},
};

/// Two migrations towards each other, and two faults at about the same time.
fn plan() -> Plan {
    let there = Workload::default();
    let back = Workload { source: 1, target: 0, delay_ms: 400, ..Workload::default() };
    Plan::from(Scenario { workloads: vec![there, back], ..Scenario::new(11) })
        .with(Fault::new(FaultKind::CrashOperator, Step::Phase(ms2m::api::Phase::Replaying)))
        .with(Fault::new(FaultKind::DropTarget, Step::ReplaySent))
}

/// The report of that plan, made once.
fn written() -> &'static PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let saved = file("run").with_extension("json");
        fs::write(&saved, plan().to_json()).unwrap();
        report("run", &["run", "--plan", &saved.display().to_string()])
    })
}

/// Opens that report in a wide window, and does something with it.
fn on_the_page(test: &str, act: impl FnOnce(&mut Page<'_>)) {
    let Some(mut chromium) = Chromium::start(test) else { return };
    let mut page = Page::open(&mut chromium, written(), Theme::Light, 1_500);
    act(&mut page);
    assert_eq!(page.complaints(), [""; 0]);
}

/// A field of the data of the page.
fn data(page: &mut Page<'_>, field: &str) -> serde_json::Value {
    page.value(&format!("JSON.parse(document.getElementById('data').textContent).{field}"))
}

fn lanes(page: &mut Page<'_>) -> BTreeSet<String> {
    page.strings("[...document.querySelectorAll('[data-lane]')].map((lane) => lane.dataset.lane)")
        .into_iter()
        .collect()
}

#[test]
fn a_run_looks_right() {
    let Some(mut chromium) = Chromium::start("run::a_run_looks_right") else { return };
    looks_right(&mut chromium, written());
}

#[test]
fn the_verdict_and_the_command_are_on_top() {
    on_the_page("run::the_verdict_and_the_command_are_on_top", |page| {
        assert!(page.text("#verdict").contains("2 migrations, with 2 faults: every invariant holds"));
        let command = page.text("header code");
        assert!(
            command.starts_with("cargo sim run --plan ") && command.ends_with("report-run.json"),
            "{command}"
        );
        let outcomes = page.texts("#migrations .outcome");
        assert_eq!(outcomes, ["Completed", "Completed"]);
    });
}

#[test]
fn every_party_has_its_lane() {
    on_the_page("run::every_party_has_its_lane", |page| {
        let lanes = lanes(page);
        let parties =
            ["operator", "API server", "broker", "registry", "node-1", "node-2", "faults", "counter"];
        let others =
            ["counter-shadow", "counter-1", "counter-1-shadow", "traffic", "traffic-1", "orders", "orders-1"];
        for party in parties.iter().chain(&others) {
            assert!(lanes.contains(*party), "{party} is not among {lanes:?}");
        }
        let struck = "data.strikes.flatMap((strike) => strike.parties)";
        let wrote = "data.letters.flatMap((letter) => [letter.from, letter.to])";
        let ran = "data.processes.map((process) => process.node)";
        let named = page.strings(&format!(
            "(() => {{ const data = JSON.parse(document.getElementById('data').textContent);
                return [...{struck}, ...{wrote}, ...{ran}]; }})()"
        ));
        assert!(named.len() > 40, "only {} are named", named.len());
        let without: Vec<&String> = named.iter().filter(|party| !lanes.contains(*party)).collect();
        assert!(without.is_empty(), "{without:?}");
        assert!(lanes.iter().all(|lane| lane.len() < 30), "a UID is no name for a person: {lanes:?}");
    });
}

#[test]
fn phases_messages_and_faults_are_drawn() {
    on_the_page("run::phases_messages_and_faults_are_drawn", |page| {
        let count =
            |page: &mut Page<'_>, kind: &str| page.texts(&format!("#lanes g.{kind}[data-event]")).len();
        let letters = data(page, "letters.length").as_u64().unwrap();
        assert_eq!(count(page, "letter") as u64, letters);
        assert!(letters > 20, "{letters}");
        assert_eq!(count(page, "phase"), 16, "eight of each migration, the end included");
        let bands = page.texts("#lanes g.fault text");
        assert_eq!(bands, ["crash-operator@Replaying", "drop-target@replaySent"]);
        assert!(count(page, "process") >= 4 && count(page, "dot") > 0);
    });
}

/// Labels that overlap cannot be read.
#[test]
fn labels_of_faults_do_not_overlap() {
    on_the_page("run::labels_of_faults_do_not_overlap", |page| {
        let overlap = page.value(
            "(() => {
              const boxes = [...document.querySelectorAll('#lanes g.fault text')].map((text) => text.getBoundingClientRect());
              const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2;
              return [boxes.length, boxes.some((a, i) => boxes.some((b, j) => i < j && meet(a, b)))];
            })()",
        );
        assert_eq!(overlap, serde_json::json!([2, false]));
    });
}

#[test]
fn pointing_at_an_event_shows_its_details() {
    on_the_page("run::pointing_at_an_event_shows_its_details", |page| {
        assert_eq!(page.value("document.getElementById('tooltip').hidden"), true);
        page.hover("#lanes g.phase rect");
        let tip = page.text("#tooltip");
        assert!(tip.contains("move · ") && tip.contains(" s, for "), "{tip}");

        page.hover("#lanes g.letter");
        let tip = page.text("#tooltip");
        assert!(tip.contains(" → ") && tip.contains("\"migration\""), "{tip}");

        page.click("#lanes g.fault rect.band");
        let details = page.text("#details");
        assert!(details.contains('@') && details.contains("Strikes "), "{details}");
        assert_eq!(page.texts("#list li[aria-selected=true]").len(), 1);
    });
}

#[test]
fn every_kind_of_mark_says_what_it_is() {
    on_the_page("run::every_kind_of_mark_says_what_it_is", |page| {
        for (mark, pieces) in [
            ("process", [" on node-", " s, for "]),
            ("write", ["statefulmigrations/move", ": 200"]),
            ("fault", ["@", " s"]),
            ("milestone", ["move", " s"]),
        ] {
            page.hover(&format!("#lanes g.{mark}"));
            let tip = page.text("#tooltip");
            assert!(pieces.iter().all(|piece| tip.contains(piece)), "{mark}: {tip}");
        }
    });
}

/// A line's points: since the run began, and what was measured.
type Line = Vec<(f64, f64)>;

/// What the lines of the plot show, as it was measured: lag, arriving and applied, of each of the two migrations.
fn measured(page: &mut Page<'_>) -> [Line; 6] {
    let samples = data(page, "samples");
    let samples = samples.as_array().unwrap();
    let of = |workload: u64, field: &str| {
        let own = samples.iter().filter(|sample| sample["workload"] == workload);
        own.filter_map(|sample| Some((sample["at_ms"].as_f64()?, sample[field].as_f64()?))).collect()
    };
    ["lag", "arrival_rate", "apply_rate"]
        .map(|field| [of(0, field), of(1, field)])
        .concat()
        .try_into()
        .unwrap()
}

#[test]
fn lag_and_rates_are_drawn_as_they_were_measured() {
    on_the_page("run::lag_and_rates_are_drawn_as_they_were_measured", |page| {
        let measured = measured(page);
        // The timeline tells the lags, too, and gets them another way.
        for (migration, line) in measured[..2].iter().enumerate() {
            let told = page.strings(&format!(
                "JSON.parse(document.getElementById('data').textContent).events
                    .filter((event) => (event.migration ?? 0) === {migration} && event.text.startsWith('lag '))
                    .map((event) => event.text.split(' ')[1])"
            ));
            let lags: Vec<String> = line.iter().map(|(_, lag)| lag.to_string()).collect();
            assert!(lags.len() > 1 && lags == told, "{lags:?} {told:?}");
        }
        assert_eq!(page.texts("#lanes text.unit"), ["messages", "messages/s"]);
        let drawn: Vec<Line> = serde_json::from_value(page.value(
            "[...document.querySelectorAll('#lanes polyline.line')].map((line) => [...line.points].map((at) => [at.x, at.y]))",
        ))
        .unwrap();
        assert_eq!(drawn.len(), measured.len());
        // Each panel has a scale of its own.
        for panel in [0..2, 2..6] {
            for (line, points) in measured[panel.clone()].iter().zip(&drawn[panel.clone()]) {
                assert_eq!(line.len(), points.len());
            }
            let (values, places) = (measured[panel.clone()].concat(), drawn[panel].concat());
            is_a_scale(values.iter().map(|at| at.0).zip(places.iter().map(|at| at.0)), 1.0);
            is_a_scale(values.iter().map(|at| at.1).zip(places.iter().map(|at| at.1)), -1.0);
        }
        page.hover("#lanes g.dot");
        let tip = page.text("#tooltip");
        let known =
            measured[..2].concat().into_iter().any(|(_, lag)| tip.starts_with(&format!("lag {lag}, ")));
        assert!(known && tip.contains("/s arrive, ") && tip.contains("/s applied"), "{tip}");
    });
}

/// Every value lies where the least and the greatest say that it lies, to a fifth of a pixel; to the right, or upwards.
fn is_a_scale(pairs: impl Iterator<Item = (f64, f64)>, direction: f64) {
    let mut pairs: Vec<(f64, f64)> = pairs.collect();
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let ((least, from), (greatest, until)) = (pairs[0], *pairs.last().unwrap());
    let per_unit = (until - from) / (greatest - least);
    assert!(per_unit * direction > 0.0, "{pairs:?}");
    for (value, place) in &pairs {
        assert!((place - from - (value - least) * per_unit).abs() < 0.2, "{value} at {place}: {pairs:?}");
    }
}

#[test]
fn zooming_and_moving_change_the_axis() {
    on_the_page("run::zooming_and_moving_change_the_axis", |page| {
        let axis = |page: &mut Page<'_>| (page.text("#span"), page.texts("#lanes .time-tick text"));
        let home = axis(page);
        page.click("button[aria-label='Zoom in']");
        let near = axis(page);
        assert!(near.0 != home.0 && near.1 != home.1, "{near:?}");
        page.press("#timeline", "ArrowRight");
        let later = axis(page);
        assert_ne!(later.0, near.0);
        page.drag("#lanes .stripe", 120.0);
        assert_ne!(axis(page).0, later.0);
        page.press("#timeline", "0");
        assert_eq!(axis(page), home);
        page.drag("#brush .handle[data-grab=until]", -60.0);
        assert_ne!(axis(page), home);
        page.click("button[title='Show the whole run']");
        assert!(page.text("#span").starts_with("0.000 s"));
    });
}

#[test]
fn a_migration_can_be_hidden() {
    on_the_page("run::a_migration_can_be_hidden", |page| {
        let listed = page.texts("#list li:not([hidden])").len();
        page.click("input[data-migration='1']");
        let lanes = lanes(page);
        assert!(lanes.contains("counter") && !lanes.contains("counter-1"), "{lanes:?}");
        assert!(page.texts("#list li:not([hidden])").len() < listed);
    });
}

#[test]
fn the_list_is_searched_and_walked_by_keys() {
    on_the_page("run::the_list_is_searched_and_walked_by_keys", |page| {
        for letter in ["S", "T", "O", "P"] {
            page.press("#search", letter);
        }
        let found = page.texts("#list li:not([hidden]) .text");
        assert!(
            !found.is_empty() && found.iter().all(|text| text.to_uppercase().contains("STOP")),
            "{found:?}"
        );
        page.press("#list", "ArrowDown");
        let first = page.text("#details b");
        page.press("#list", "ArrowDown");
        assert_eq!(first, found[0]);
        assert_eq!(page.text("#details b"), found[1]);
        page.press("#list", "ArrowUp");
        assert_eq!(page.text("#details b"), first);
    });
}

#[test]
fn the_theme_can_be_chosen() {
    on_the_page("run::the_theme_can_be_chosen", |page| {
        let mut papers = BTreeSet::new();
        for theme in ["auto", "light", "dark"] {
            assert_eq!(page.text("#theme"), format!("Theme: {theme}"));
            papers.insert(page.value("getComputedStyle(document.body).backgroundColor").to_string());
            page.click("#theme");
        }
        assert_eq!(papers.len(), 2, "{papers:?}");
    });
}

/// A run that broke something, made of one that did not.
#[test]
fn what_is_broken_is_said_first() {
    let Some(mut chromium) = Chromium::start("run::what_is_broken_is_said_first") else { return };
    let plan = Plan::calm(3);
    let mut verdict = world::run(plan.clone(), world::Tracing::On);
    let message = "move: </script><b>p1</b> lacks 4-6".to_owned();
    verdict.violations.push(Violation { invariant: "NoLoss", at_ms: 5_000, message });
    let file = file("broken");
    fs::write(&file, html(&verdict, &plan, "cargo sim run --seed 3").unwrap()).unwrap();
    looks_right(&mut chromium, &file);

    let mut page = Page::open(&mut chromium, &file, Theme::Light, 1_500);
    assert!(page.text("#verdict").contains("NoLoss broken"));
    assert!(page.text(".broken-list").contains("move: </script><b>p1</b> lacks 4-6"));
    page.click("#lanes g.violation text");
    assert!(page.text("#details").contains("NoLoss is broken"));
}
