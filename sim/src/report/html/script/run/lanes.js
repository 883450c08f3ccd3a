const AXIS = 24;
const ROW = 17;
const RIGHT = 14;

/** Which lane is where: from top to bottom the faults, the cluster, and each migration that is shown. */
function layOut(width, faultRows) {
  const left = width < 700 ? 96 : 168;
  const lanes = [];
  let y = AXIS;
  const add = (id, label, height, more) => {
    // What is said to a pod stands above its bar.
    const words = more?.isPod ? y + 12 : y + height / 2 + 4;
    const middle = more?.isPod ? y + 23 : y + height / 2;
    lanes.push({ id, label, y, height, middle, words, ...more });
    y += height;
  };
  if (data.violations.length > 0) add("broken", "broken", data.violations.length * ROW + 4);
  if (faultRows > 0) add("faults", "faults", faultRows * ROW + 8);
  add("operator", "operator", 28);
  for (const id of ["API server", "broker", "registry", ...data.nodes]) add(id, id, 22);
  data.casts.forEach((cast, migration) => {
    if (!view.shown.has(migration)) return;
    add(`phases of ${cast.migration}`, cast.migration, 34, { migration, isFirst: true });
    add(cast.source, cast.source, 34, { migration, isPod: true });
    add(cast.target, cast.target, 34, { migration, isPod: true });
    add(cast.publishers, cast.publishers, 20, { migration });
    add(cast.queue, cast.queue, 20, { migration });
    add(replayQueue(cast), replayQueue(cast), 20, { migration });
  });
  // Whoever else wrote or was written to.
  for (const event of ofKind("message").filter(isShown)) {
    for (const party of [event.item.from, event.item.to]) {
      if (!lanes.some((lane) => lane.id === party)) add(party, party, 22);
    }
  }
  const byId = new Map(lanes.map((lane) => [lane.id, lane]));
  const scale = (width - left - RIGHT) / (view.until - view.from);
  return {
    width, left, right: width - RIGHT, bottom: y, lanes,
    lane: (id) => byId.get(id),
    x: (at) => left + (at - view.from) * scale,
    time: (x) => view.from + (x - left) / scale,
  };
}

function drawLanes(layout) {
  const room = layout.left - 14;
  const fit = (text) => {
    if (widthOf(text) <= room) return text;
    let letters = text.length;
    while (letters > 1 && widthOf(`${text.slice(0, letters)}…`) > room) letters--;
    return `${text.slice(0, letters)}…`;
  };
  return layout.lanes.flatMap((lane, index) => [
    index % 2 ? null : s("rect", { class: "stripe", x: 0, y: lane.y, width: layout.width, height: lane.height }),
    lane.isFirst ? s("line", { class: "rule", x1: 0, x2: layout.width, y1: lane.y, y2: lane.y }) : null,
    lane.isFirst ? s("rect", { x: 0, y: lane.y + 3, width: 4, height: lane.height - 6, css: { fill: `var(--m${lane.migration % 8})` } }) : null,
    s("text", { class: lane.isFirst ? "label group-name" : "label", x: 10, y: lane.y + lane.height / 2 + 4, "data-lane": lane.id },
      s("title", {}, lane.id), fit(lane.label)),
  ]);
}
