/** Lanes, plot and brush, and what the pointer and the keys do with them. */
function makeTimeline() {
  const brush = makeBrush();
  const svg = s("svg", { id: "lanes", role: "img", "aria-label": "Timeline of all parties; the list beside it says the same" });
  const box = h("div", { id: "timeline", class: "panel", tabindex: 0, role: "group",
    "aria-label": "Timeline. Arrow keys move it, plus and minus zoom, 0 shows the migrations, n and p go to the next and previous event" },
    brush.svg, svg, legend());
  const crosshair = s("line", { class: "crosshair", y1: AXIS - 6, visibility: "hidden" });
  const clock = s("text", { class: "cursor-time halo" });
  let layout = null;
  let bottom = 0;

  function draw() {
    const width = box.clientWidth;
    const { rows, count } = faultRows(width);
    layout = layOut(width, count);
    const plot = drawPlot(layout);
    bottom = plot.bottom;
    svg.setAttribute("height", bottom + 6);
    svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 6}`);
    const clip = s("clipPath", { id: "window" }, s("rect", { x: layout.left, y: 0, width: layout.right - layout.left, height: bottom }));
    // Selected last, so that nothing hides it.
    const marks = [drawHits(layout), drawPhases(layout), drawProcesses(layout), drawMilestones(layout), drawWrites(layout),
      drawLetters(layout), count ? drawFaults(layout, rows, layout.bottom) : [], plot.marks, drawViolations(layout, bottom)].flat(3);
    svg.replaceChildren(HATCH(), s("defs", {}, clip), ...drawLanes(layout).filter(Boolean), ...plot.labels, ...drawAxis(layout, bottom),
      s("g", { "clip-path": "url(#window)" }, marks.filter(Boolean)), crosshair, clock);
    brush.draw();
  }

  const eventOf = (target) => events[target.closest?.("[data-event]")?.dataset.event];

  function point(pointer) {
    const x = pointer.clientX - svg.getBoundingClientRect().left;
    const isInside = layout && x >= layout.left && x <= layout.right;
    for (const part of [crosshair, clock]) part.setAttribute("visibility", isInside ? "visible" : "hidden");
    if (!isInside) return;
    for (const end of ["x1", "x2"]) crosshair.setAttribute(end, x);
    crosshair.setAttribute("y2", bottom);
    const isLate = x > layout.right - 80;
    clock.setAttribute("x", isLate ? x - 4 : x + 4);
    clock.setAttribute("text-anchor", isLate ? "end" : "start");
    clock.setAttribute("y", bottom - 2);
    clock.textContent = moment(layout.time(x));
  }

  const drag = { from: null, moved: false };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    Object.assign(drag, { from: event.clientX, window: [view.from, view.until], moved: false });
  });
  svg.addEventListener("pointermove", (event) => {
    point(event);
    if (drag.from === null) {
      const over = eventOf(event.target);
      if (over) showTooltip(tell(over), event.clientX, event.clientY);
      else hideTooltip();
      return;
    }
    const by = drag.from - event.clientX;
    if (Math.abs(by) > 3 && !drag.moved) {
      drag.moved = true;
      box.classList.add("dragging");
      svg.setPointerCapture(event.pointerId);
      hideTooltip();
    }
    if (!drag.moved) return;
    const ms = (by * (drag.window[1] - drag.window[0])) / (layout.right - layout.left);
    look(drag.window[0] + ms, drag.window[1] + ms);
  });
  svg.addEventListener("pointerup", (event) => {
    if (drag.from !== null && !drag.moved) select(eventOf(event.target) ?? null);
    drag.from = null;
    box.classList.remove("dragging");
  });
  svg.addEventListener("pointercancel", () => {
    drag.from = null;
    box.classList.remove("dragging");
  });
  svg.addEventListener("pointerleave", () => { hideTooltip(); drag.from = drag.moved ? drag.from : null; });
  svg.addEventListener("dblclick", (event) => zoom(0.4, layout.time(event.clientX - svg.getBoundingClientRect().left)));
  svg.addEventListener("wheel", (event) => {
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    // A plain wheel scrolls the page.
    if (!isSideways && !event.ctrlKey && !event.metaKey && !event.shiftKey) return;
    event.preventDefault();
    if (isSideways) pan(event.deltaX / (layout.right - layout.left));
    else zoom(Math.exp(event.deltaY / 400), layout.time(event.clientX - svg.getBoundingClientRect().left));
  }, { passive: false });

  const KEYS = {
    ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6),
    0: () => look(...view.home), n: () => step(1), p: () => step(-1),
  };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  new ResizeObserver(changed).observe(box);
  watch(draw);
  return box;
}

/** The buttons above the timeline. */
function toolbar() {
  const button = (text, label, action) => h("button", { type: "button", "aria-label": label, title: label, onclick: action }, text);
  const span = h("output", { id: "span" });
  watch(() => { span.textContent = `${moment(view.from)} – ${moment(view.until)}`; });
  return h("div", { class: "row toolbar" },
    button("−", "Zoom out", () => zoom(1 / 0.6)), button("+", "Zoom in", () => zoom(0.6)),
    button("◀", "Earlier", () => pan(-0.3)), button("▶", "Later", () => pan(0.3)),
    button("Migrations", "Show from the first request to the last message", () => look(...view.home)),
    button("Whole run", "Show the whole run", () => look(0, END)), span);
}
