const PANEL = 84;
/** How much of a panel is above its highest value. */
const HEAD = 10;

const PANELS = [
  { name: "lag", unit: "messages", lines: [["lag", ""]] },
  { name: "rates", unit: "messages/s", lines: [["arrival_rate", ""], ["apply_rate", "dashed"]] },
];

/** Lag and rates while targets catch up, on the time axis of the lanes; a colour for each migration. */
function drawPlot(layout) {
  if (data.samples.length === 0) return { marks: [], labels: [], bottom: layout.bottom };
  const samples = ofKind("progress").filter(isShown);
  const marks = [];
  const labels = [];
  PANELS.forEach((panel, index) => {
    const top = layout.bottom + 8 + index * (PANEL + 6);
    const bottom = top + PANEL;
    const values = samples.flatMap((event) => panel.lines.map(([field]) => event.item[field] ?? 0));
    const most = Math.max(1, ...values);
    const y = (value) => bottom - ((PANEL - HEAD) * value) / most;
    for (const value of ticks(0, most, 3).values) {
      labels.push(s("line", { class: "grid", x1: layout.left, x2: layout.right, y1: y(value), y2: y(value) }),
        s("text", { class: "tick halo", x: layout.left + 3, y: y(value) - 3 }, String(+value.toFixed(2))));
    }
    labels.push(s("text", { class: "label group-name", x: 10, y: top + 18 }, panel.name),
      s("text", { class: "unit", x: 10, y: top + 33 }, panel.unit));
    for (const [field, style] of panel.lines) marks.push(...drawLines(layout, samples, field, style, y));
  });
  return { marks, labels, bottom: layout.bottom + 8 + PANELS.length * (PANEL + 6) };
}

function drawLines(layout, samples, field, style, y) {
  return [...view.shown].flatMap((migration) => {
    const own = samples.filter((event) => event.migration === migration && event.item[field] !== null);
    const colour = `var(--m${migration % 8})`;
    const points = own.map((event) => `${layout.x(event.at).toFixed(1)},${y(event.item[field]).toFixed(1)}`);
    const line = s("polyline", { class: `line ${style}`, points: points.join(" "), css: { stroke: colour } });
    const dots = own.filter(isInside).map((event) => mark(event, "dot",
      s("circle", { cx: layout.x(event.at), cy: y(event.item[field]), r: 3.2, css: { fill: colour } })));
    return [line, ...dots];
  });
}

function legend() {
  const stroke = (style, migration = 0) => s("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" },
    s("line", { class: `line ${style}`, x1: 0, x2: 26, y1: 6, y2: 6, css: { stroke: `var(--m${migration % 8})` } }));
  const swatch = (mixed, text) => h("span", {}, h("span", { class: "swatch", css: { background: mixed } }), text);
  const rates = data.samples.length ? [
    h("span", {}, stroke(""), "lag, arriving"), h("span", {}, stroke("dashed"), "applied"),
  ] : [];
  return h("div", { class: "legend" },
    swatch("var(--command)", "command"), swatch("var(--reply)", "reply"),
    swatch("color-mix(in srgb, var(--soft) 30%, var(--paper))", "process"),
    swatch("color-mix(in srgb, var(--good) 26%, var(--paper))", "restored process"),
    swatch("color-mix(in srgb, var(--bad) 28%, var(--paper))", "fault; hatched: whom it strikes"),
    h("span", {}, "✕ end of a process, write refused"), h("span", {}, "◆ milestone"), h("span", {}, "┆ pod"), ...rates);
}
