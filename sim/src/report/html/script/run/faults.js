/** For each fault a row in which neither bands nor labels meet, with the whole home window in sight. */
function faultRows(width) {
  const left = width < 700 ? 96 : 168;
  const scale = (width - left - RIGHT) / (view.home[1] - view.home[0]);
  const ends = [];
  const rows = new Map();
  const boxes = ofKind("fault").map((event) => {
    const [from, until] = [event.at, event.until ?? END].map((at) => (at - view.home[0]) * scale);
    const label = widthOf(event.text) + 12;
    const isLate = hasNoRoom(from, label, width - left - RIGHT);
    return { event, from: isLate ? from - label : from, until: Math.max(until, isLate ? from : from + label) };
  });
  for (const { event, from, until } of boxes.sort((a, b) => a.from - b.from)) {
    let row = ends.findIndex((end) => end <= from);
    if (row < 0) row = ends.length;
    ends[row] = until;
    rows.set(event, row);
  }
  return { rows, count: ends.length };
}

/** Whether a label that begins at `x` would end outside; then it stands before its band, if there is more room. */
function hasNoRoom(x, label, room) {
  return x + label > room && x > room / 2;
}

const HATCH = () => s("defs", {}, s("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse" },
  s("path", { d: "M-1 7L7 -1M-1 1L1 -1M5 7L7 5" })));

/** The bands on the lanes of the parties that are struck: below everything else. */
function drawHits(layout) {
  return ofKind("fault").filter(isInside).flatMap((event) => event.item.parties?.map((party) => {
    const lane = layout.lane(party);
    if (!lane) return null;
    return mark(event, "fault", band(layout, event, lane.y + 1, lane.height - 2, { class: "hit" }).rect);
  }) ?? []);
}

/** The faults' own lane. A label stays in sight as long as its band does; the text is beside what is short. */
function drawFaults(layout, rows, bottom) {
  const own = layout.lane("faults");
  return ofKind("fault").filter(isInside).map((event) => {
    const y = own.y + 4 + rows.get(event) * ROW;
    const { from, width, rect } = band(layout, event, y, ROW - 3, { class: "band", rx: 2 });
    const begins = event.at >= view.from;
    const x = layout.x(event.at);
    const isLate = hasNoRoom(from - layout.left, widthOf(event.text) + 12, layout.right - layout.left);
    const place = isLate ? { x: from - 4, "text-anchor": "end" } : { x: from + 5 };
    const text = begins || width > widthOf(event.text) + 8 ? s("text", { class: "halo", y: y + 11, ...place }, event.text) : null;
    const line = begins ? s("line", { x1: x, x2: x, y1: y + ROW - 3, y2: bottom }) : null;
    return mark(event, "fault", line, rect, text);
  });
}

/** What broke, each in a row of its own, and a line through everything. */
function drawViolations(layout, bottom) {
  const own = layout.lane("broken");
  return ofKind("violation").map((event, row) => {
    if (!isInside(event)) return null;
    const x = layout.x(event.at);
    const name = `✘ ${event.item.invariant}`;
    const isLate = hasNoRoom(x - layout.left, widthOf(name) + 12, layout.right - layout.left);
    const place = isLate ? { x: x - 5, "text-anchor": "end" } : { x: x + 5 };
    return mark(event, "violation",
      s("line", { x1: x, x2: x, y1: own.y + row * ROW + 3, y2: bottom }),
      s("line", { class: "hit-area", x1: x, x2: x, y1: own.y, y2: bottom }),
      s("text", { class: "halo", y: own.y + row * ROW + 14, ...place }, name));
  });
}
