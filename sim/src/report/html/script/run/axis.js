function drawAxis(layout, bottom) {
  const { step, values } = ticks(view.from, view.until, Math.max(2, Math.floor((layout.right - layout.left) / 90)));
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  return values.map((value) => s("g", { class: "time-tick" },
    s("line", { class: "grid", x1: layout.x(value), x2: layout.x(value), y1: AXIS - 4, y2: bottom }),
    s("text", { class: "tick", x: layout.x(value), y: 14, "text-anchor": "middle" }, `${(value / 1000).toFixed(digits)} s`)));
}
