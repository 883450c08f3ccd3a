const SPAN_MIN = 20;

/** What is looked at: a window of time, some of the migrations, some kinds of events, one event. */
const view = (() => {
  const marks = [...ofKind("phase"), ...ofKind("fault"), ...ofKind("milestone")].map((event) => event.at);
  const last = Math.max(...marks, ...ofKind("message").map((event) => event.at), 0);
  const home = marks.length ? [Math.max(0, Math.min(...marks) - 300), Math.min(END, last + 500)] : [0, END];
  return {
    home,
    from: home[0],
    until: home[1],
    shown: new Set(data.migrations.keys()),
    kinds: new Set(Object.keys(KINDS).filter((kind) => KINDS[kind][2])),
    text: "",
    selected: null,
  };
})();

const watchers = [];
let isDue = false;

/** Calls `draw` after every change, at most once a frame. */
function watch(draw) {
  watchers.push(draw);
}

function changed() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    for (const draw of watchers) draw();
  });
}

function look(from, until) {
  const span = Math.min(Math.max(until - from, SPAN_MIN), END);
  view.from = Math.min(Math.max(0, from), END - span);
  view.until = view.from + span;
  changed();
}

/** Makes the window so many times as long, around a moment. */
function zoom(factor, around = (view.from + view.until) / 2) {
  const span = Math.min(Math.max((view.until - view.from) * factor, SPAN_MIN), END);
  const part = (around - view.from) / (view.until - view.from);
  look(around - part * span, around + (1 - part) * span);
}

/** Moves the window by a part of its length. */
function pan(part) {
  const by = part * (view.until - view.from);
  look(view.from + by, view.until + by);
}

const isShown = (event) => event.migration === null || view.shown.has(event.migration);
const isInside = (event) => event.at <= view.until && (event.until ?? END) >= view.from;

/** Selects an event, and looks at it. */
function select(event) {
  view.selected = event;
  if (event && !isInside(event)) {
    const span = view.until - view.from;
    look(event.at - span / 2, event.at + span / 2);
  }
  changed();
}

/** Whether the list shows an event. */
function isListed(event) {
  return isShown(event) && isInside(event) && view.kinds.has(event.kind)
    && (view.text === "" || event.text.toLowerCase().includes(view.text));
}

/** Selects the next event of the list, or the one before. */
function step(by) {
  const listed = events.filter(isListed);
  if (listed.length === 0) return;
  const at = listed.indexOf(view.selected);
  const next = at < 0 ? (by > 0 ? 0 : listed.length - 1) : Math.min(Math.max(at + by, 0), listed.length - 1);
  select(listed[next]);
}
