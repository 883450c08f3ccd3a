//! Lag and rates over time, as a drawing.

use std::fmt::Write as _;

use super::{Sample, escape};

const WIDTH: f64 = 1_400.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 190.0;

/// Lag, arrivals and applications of every target.
pub(super) fn lag(samples: &[Sample]) -> String {
    let mut svg = format!(
        "<svg width={WIDTH} height={HEIGHT} viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img \
         aria-label=\"Lag and rates\">"
    );
    let (from, until) = (
        samples.iter().map(|sample| sample.at_ms).min().unwrap_or_default(),
        samples.iter().map(|sample| sample.at_ms).max().unwrap_or_default(),
    );
    let most = samples
        .iter()
        .flat_map(|sample| [sample.lag as f64, sample.arrival_rate, sample.apply_rate.unwrap_or_default()])
        .fold(1.0, f64::max);
    let x = |at: u64| LEFT + (WIDTH - LEFT - 20.0) * (at - from) as f64 / ((until - from).max(1)) as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - 15.0) * value / most;
    for part in 0..=4_u32 {
        let value = most * f64::from(part) / 4.0;
        let _ = write!(
            svg,
            "<line class=grid x1={LEFT} y1={0:.1} x2={WIDTH} y2={0:.1}></line><text class=soft x=8 y={1:.1}>{value:.0}</text>",
            y(value),
            y(value) + 4.0
        );
    }
    let workloads = samples.iter().map(|sample| sample.workload).max().unwrap_or_default();
    for workload in 0..=workloads {
        let of: Vec<&Sample> = samples.iter().filter(|sample| sample.workload == workload).collect();
        let line = |value: &dyn Fn(&Sample) -> Option<f64>| -> String {
            let points = of.iter().filter_map(|s| Some(format!("{:.1},{:.1}", x(s.at_ms), y(value(s)?))));
            points.collect::<Vec<_>>().join(" ")
        };
        let _ = write!(
            svg,
            "<polyline class=lag points=\"{}\"></polyline><polyline class=arrivals points=\"{}\"></polyline>\
             <polyline class=applied points=\"{}\"></polyline>",
            line(&|sample| Some(sample.lag as f64)),
            line(&|sample| Some(sample.arrival_rate)),
            line(&|sample| sample.apply_rate),
        );
        for sample in of {
            let title = escape(&format!(
                "at {} ms: lag {}, {:.1} messages/s arrive, {:.1} applied",
                sample.at_ms,
                sample.lag,
                sample.arrival_rate,
                sample.apply_rate.unwrap_or_default()
            ));
            let (cx, cy) = (x(sample.at_ms), y(sample.lag as f64));
            let _ =
                write!(svg, "<circle class=dot cx={cx:.1} cy={cy:.1} r=3><title>{title}</title></circle>");
        }
    }
    let _ = write!(
        svg,
        "<text x={LEFT} y=212>lag (messages), orange · arriving (messages/s), blue · applied (messages/s), green</text></svg>"
    );
    svg
}
