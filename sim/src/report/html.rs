//! A run as one page: lanes of all parties, the messages between them, phases, faults, lag and rates.

use std::fmt::Write as _;

use super::{Lane, Letter, Style, Verdict, escape, page, plot, render};

/// Width of the drawing, in pixels.
const WIDTH: f64 = 1_400.0;
const LEFT: f64 = 150.0;
const LANE: f64 = 46.0;
const TOP: f64 = 30.0;

/// The page.
pub fn html(verdict: &Verdict) -> String {
    let seed = verdict.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
    let headline = if verdict.holds() {
        format!("{}: every invariant holds", verdict.migration.outcome)
    } else {
        let broken: Vec<&str> = verdict.violations.iter().map(|broken| broken.invariant).collect();
        format!("{}: {} broken", verdict.migration.outcome, broken.join(", "))
    };
    let mut body = String::new();
    let _ = write!(body, "<div class=scroll>{}</div>", Drawing::new(verdict).draw(verdict));
    if !verdict.samples.is_empty() {
        let _ = write!(body, "<h2>Catching up</h2><div class=scroll>{}</div>", plot::lag(&verdict.samples));
    }
    let _ = write!(body, "<h2>Summary</h2><pre>{}</pre>", escape(&render(verdict, Style::Plain)));
    if !verdict.beliefs.is_empty() {
        body.push_str("<h2>What each party believed when the first invariant broke</h2><table>");
        for belief in &verdict.beliefs {
            let (party, belief) = (escape(&belief.party), escape(&belief.belief));
            let _ = write!(body, "<tr><th>{party}</th><td><pre>{belief}</pre></td></tr>");
        }
        body.push_str("</table>");
    }
    page(&format!("Migration in a simulated world{seed}"), &headline, verdict.holds(), &body)
}

/// What is drawn where.
struct Drawing {
    lanes: Vec<String>,
    from_ms: u64,
    until_ms: u64,
}

impl Drawing {
    fn new(verdict: &Verdict) -> Self {
        let mut lanes = vec!["phase".to_owned(), "operator".to_owned()];
        for letter in &verdict.letters {
            for party in [&letter.from, &letter.to] {
                if !lanes.contains(party) {
                    lanes.push(party.clone());
                }
            }
        }
        lanes.push("faults".to_owned());
        let events = verdict.timeline.events();
        let asked = events.iter().find(|event| event.lane == Lane::Phase).map_or(0, |event| event.at_ms);
        let last = events.iter().filter(|event| event.lane != Lane::Traffic).map(|event| event.at_ms).max();
        let from_ms = asked.saturating_sub(500);
        let until_ms = last.unwrap_or(from_ms).max(from_ms + 1_000) + 500;
        Self { lanes, from_ms, until_ms }
    }

    fn x(&self, at_ms: u64) -> f64 {
        let at = at_ms.clamp(self.from_ms, self.until_ms) - self.from_ms;
        LEFT + (WIDTH - LEFT - 20.0) * at as f64 / (self.until_ms - self.from_ms) as f64
    }

    fn y(&self, lane: &str) -> f64 {
        let index = self.lanes.iter().position(|known| known == lane).unwrap_or_default();
        TOP + LANE * index as f64 + LANE / 2.0
    }

    fn draw(&self, verdict: &Verdict) -> String {
        let height = TOP + LANE * self.lanes.len() as f64 + 10.0;
        let mut svg = format!(
            "<svg width={WIDTH} height={height} viewBox=\"0 0 {WIDTH} {height}\" role=img \
             aria-label=\"Timeline of all parties\">"
        );
        self.frame(&mut svg, height);
        self.phases(&mut svg, verdict);
        for letter in &verdict.letters {
            self.letter(&mut svg, letter);
        }
        self.faults(&mut svg, verdict);
        for broken in &verdict.violations {
            let x = self.x(broken.at_ms);
            let title = escape(&format!("{} at {} ms: {}", broken.invariant, broken.at_ms, broken.message));
            let _ = write!(
                svg,
                "<g><title>{title}</title><line class=broken x1={x:.1} y1={TOP} x2={x:.1} y2={height}></line></g>"
            );
        }
        svg.push_str("</svg>");
        svg
    }

    fn frame(&self, svg: &mut String, height: f64) {
        for (index, lane) in self.lanes.iter().enumerate() {
            let (y, label) = (TOP + LANE * index as f64, escape(lane));
            if index % 2 == 0 {
                let _ = write!(svg, "<rect class=lane x=0 y={y} width={WIDTH} height={LANE}></rect>");
            }
            let _ = write!(svg, "<text x=8 y={:.1}>{label}</text>", y + LANE / 2.0 + 4.0);
        }
        let seconds = (self.until_ms - self.from_ms).div_ceil(1_000);
        let every = (seconds / 14).max(1);
        for second in
            (self.from_ms.div_ceil(1_000)..=self.until_ms / 1_000).filter(|s| s.is_multiple_of(every))
        {
            let x = self.x(second * 1_000);
            let _ = write!(
                svg,
                "<line class=grid x1={x:.1} y1={TOP} x2={x:.1} y2={height}></line>\
                 <text class=soft x={x:.1} y=18>{second} s</text>"
            );
        }
    }

    /// Of one migration; of several, each event is a mark.
    fn phases(&self, svg: &mut String, verdict: &Verdict) {
        let events: Vec<_> =
            verdict.timeline.events().iter().filter(|event| event.lane == Lane::Phase).collect();
        let y = self.y("phase") - 11.0;
        for (index, event) in events.iter().enumerate() {
            let until = events.get(index + 1).map_or(self.until_ms, |next| next.at_ms);
            let (x, width) = (self.x(event.at_ms), (self.x(until) - self.x(event.at_ms)).max(2.0));
            let class = match event.text.rsplit(' ').next().unwrap_or_default() {
                "Completed" => "phase ended",
                "Failed" => "phase failed",
                "RollingBack" | "RolledBack" => "phase back",
                _ => "phase",
            };
            let text = escape(&event.text);
            let _ = write!(
                svg,
                "<g><title>{text} at {} ms</title>\
                 <rect class=\"{class}\" x={x:.1} y={y:.1} width={:.1} height=22 rx=3></rect>",
                event.at_ms,
                (width - 1.0).max(1.0)
            );
            if width > 7.5 * event.text.len() as f64 {
                let _ =
                    write!(svg, "<text class=phase-name x={:.1} y={:.1}>{text}</text>", x + 5.0, y + 15.0);
            }
            svg.push_str("</g>");
        }
    }

    fn letter(&self, svg: &mut String, letter: &Letter) {
        let (x, from, to) = (self.x(letter.at_ms), self.y(&letter.from), self.y(&letter.to));
        let class = if letter.to == "operator" { "reply" } else { "command" };
        let title = escape(&format!(
            "{} at {} ms: {} → {}\n{}",
            letter.word, letter.at_ms, letter.from, letter.to, letter.text
        ));
        let _ = write!(
            svg,
            "<g><title>{title}</title><line class=\"letter {class}\" x1={x:.1} y1={from:.1} x2={x:.1} y2={to:.1}></line>\
             <circle class=\"dot {class}\" cx={x:.1} cy={to:.1} r=4></circle></g>"
        );
    }

    fn faults(&self, svg: &mut String, verdict: &Verdict) {
        let y = self.y("faults");
        for event in verdict.timeline.events().iter().filter(|event| event.lane == Lane::Fault) {
            let (x, text) = (self.x(event.at_ms), escape(&event.text));
            let _ = write!(
                svg,
                "<g><title>{text} at {} ms</title>\
                 <line class=fault-mark x1={x:.1} y1={TOP} x2={x:.1} y2={:.1}></line>\
                 <text x={:.1} y={:.1}>{text}</text></g>",
                event.at_ms,
                y + 12.0,
                x + 4.0,
                y + 4.0
            );
        }
    }
}
