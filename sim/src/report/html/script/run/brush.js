const BRUSH = 46;

/** The whole run, small, with the window that is looked at; it is moved and resized with the pointer. */
function makeBrush() {
  const svg = s("svg", { id: "brush", height: BRUSH, "aria-hidden": "true" });
  const grab = { kind: null, at: 0, from: 0, until: 0 };
  const scale = () => svg.clientWidth / END;
  const timeOf = (event) => (event.clientX - svg.getBoundingClientRect().left) / scale();

  svg.addEventListener("pointerdown", (event) => {
    grab.kind = event.target.dataset.grab ?? "new";
    Object.assign(grab, { at: timeOf(event), from: view.from, until: view.until });
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!grab.kind) return;
    const now = timeOf(event);
    const by = now - grab.at;
    if (grab.kind === "move") look(grab.from + by, grab.until + by);
    else if (grab.kind === "from") look(Math.min(grab.from + by, grab.until - SPAN_MIN), grab.until);
    else if (grab.kind === "until") look(grab.from, Math.max(grab.until + by, grab.from + SPAN_MIN));
    else if (Math.abs(by) * scale() > 3) look(Math.min(grab.at, now), Math.max(grab.at, now));
  });
  svg.addEventListener("pointerup", () => { grab.kind = null; });

  function draw() {
    const width = svg.clientWidth;
    const x = (at) => at * scale();
    const shown = [...view.shown];
    const row = Math.min(12, 25 / Math.max(1, shown.length));
    const phases = ofKind("phase").filter(isShown).map((event) => s("g", { class: `phase ${event.ordinal % 2 ? "odd" : ""} ${event.text.toLowerCase()}` },
      s("rect", { x: x(event.at), y: 19 + row * shown.indexOf(event.migration), height: row - 1,
        width: Math.max(1, x(event.until ?? END) - x(event.at)) })));
    const faults = ofKind("fault").map((event) => s("g", { class: "fault" },
      s("rect", { class: "band", x: x(event.at), y: 14, height: 4, width: Math.max(2, x(event.until ?? END) - x(event.at)) })));
    const broken = ofKind("violation").map((event) => s("g", { class: "violation" },
      s("line", { x1: x(event.at), x2: x(event.at), y1: 0, y2: BRUSH })));
    const labels = ticks(0, END, Math.max(2, Math.floor(width / 110))).values.map((value) =>
      s("text", { class: "tick", x: x(value) + 2, y: 10 }, `${value / 1000} s`));
    const [from, until] = [x(view.from), x(view.until)];
    svg.replaceChildren(...phases, ...faults, ...broken,
      s("rect", { class: "outside", x: 0, y: 0, width: Math.max(0, from), height: BRUSH }),
      s("rect", { class: "outside", x: until, y: 0, width: Math.max(0, width - until), height: BRUSH }), ...labels,
      s("rect", { class: "grip", "data-grab": "move", x: from, y: 0, width: Math.max(1, until - from), height: BRUSH }),
      s("rect", { class: "window", x: from, y: 0.75, width: Math.max(1, until - from), height: BRUSH - 1.5, "pointer-events": "none" }),
      s("rect", { class: "handle", "data-grab": "from", x: from - 3, y: 12, width: 6, height: BRUSH - 24, rx: 2 }),
      s("rect", { class: "handle", "data-grab": "until", x: until - 3, y: 12, width: 6, height: BRUSH - 24, rx: 2 }));
  }
  return { svg, draw };
}
