/** What an event is drawn in: whatever is in it shows the event's details. */
function mark(event, kind, ...children) {
  const selected = view.selected === event ? " selected" : "";
  return s("g", { class: `pickable ${kind}${selected}`, "data-event": event.index }, children);
}

/** A band from an event's beginning to its end, within the window. */
function band(layout, event, y, height, attributes) {
  const from = Math.max(layout.x(event.at), layout.left);
  const until = Math.min(layout.x(event.until ?? END), layout.right);
  const width = Math.max(until - from, 2);
  return { from, width, rect: s("rect", { x: from, y, width, height, ...attributes }) };
}

function drawPhases(layout) {
  return ofKind("phase").filter((event) => isShown(event) && isInside(event)).map((event) => {
    const lane = layout.lane(`phases of ${nameOf(event.migration)}`);
    if (!lane) return null;
    const { from, width, rect } = band(layout, event, lane.y + 4, 18, { rx: 2 });
    const parity = event.ordinal % 2 ? "odd" : "";
    const text = width > widthOf(event.text) + 8 ? s("text", { x: from + 5, y: lane.y + 17 }, event.text) : null;
    return mark(event, `phase ${parity} ${event.text.toLowerCase()}`, rect, text);
  });
}

/** What a migration has passed; beyond the point of no return it only goes forward, so a line shows that. */
function drawMilestones(layout) {
  return ofKind("milestone").filter((event) => isShown(event) && isInside(event)).map((event) => {
    const lane = layout.lane(`phases of ${nameOf(event.migration)}`);
    if (!lane) return null;
    const x = layout.x(event.at);
    const last = layout.lanes.filter((other) => other.migration === event.migration).at(-1);
    const line = event.text === "point of no return"
      ? s("line", { x1: x, x2: x, y1: lane.y, y2: last.y + last.height }) : null;
    return mark(event, "milestone", line, s("path", { d: `M${x} ${lane.y + 21}l5 5l-5 5l-5 -5z` }));
  });
}
