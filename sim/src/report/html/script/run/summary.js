function brokenList() {
  if (data.violations.length === 0) return null;
  return h("ul", { class: "broken-list" }, ofKind("violation").map((event) => h("li", {},
    h("button", { type: "button", onclick: () => select(event) }, moment(event.at)), " ",
    h("b", {}, event.item.invariant), ` ${event.item.message}`)));
}

function runFacts() {
  const { scenario, faults } = data.plan;
  return facts([
    ["nodes", String(scenario.nodes)],
    ["faults", data.struck === faults.length ? String(faults.length) : `${data.struck} of ${faults.length} struck`],
    ["simulated", duration(END)],
    ["real time", duration(data.wall_ms)],
    ["trace", (data.trace_hash ?? "–").slice(0, 16)],
  ]);
}

/** The migrations, one a row; where there are several, a box shows or hides each. */
function migrationTable() {
  const phases = [...new Set(ofKind("phase").map((event) => event.text))];
  const several = data.migrations.length > 1;
  const box = (migration, index) => h("label", {},
    several ? h("input", { type: "checkbox", checked: true, "data-migration": index, onchange: (event) => {
      view.shown[event.target.checked ? "add" : "delete"](index);
      changed();
    } }) : null, " ",
    h("span", { class: "swatch", css: { background: `var(--m${index % 8})` } }), migration.name);
  const number = (name, value) => [name, "number", value];
  const rows = data.migrations.map((migration, index) => ({ ...migration, index }));
  const columns = [
    ["migration", "", (row) => box(row, row.index)],
    ["outcome", "", (row) => outcome(row.outcome)],
    number("pause", (row) => duration(row.pause_ms)),
    number("total", (row) => duration(row.total_ms)),
    number("published", (row) => String(row.published)),
    number("applied", (row) => String(row.applied)),
    number("lost", (row) => String(row.lost)),
    number("twice", (row) => String(row.duplicated)),
    number("reordered", (row) => String(row.reordered)),
    ...phases.filter((phase) => rows.some((row) => phase in row.phase_ms))
      .map((phase) => number(phase, (row) => (phase in row.phase_ms ? duration(row.phase_ms[phase]) : ""))),
  ];
  const why = (row) => [row.reason && `${row.reason}: ${row.message}`, row.excuse && `a loss is excused: ${row.excuse}`].filter(Boolean);
  const reasons = rows.flatMap((row) => why(row).map((text) => h("p", { class: "why" },
    several ? [h("b", {}, row.name), " "] : null, text)));
  // The timeline should be in sight at once.
  const told = reasons.length > 3 ? h("details", {}, h("summary", {}, "Why each ended so"), reasons) : reasons;
  return [table(columns, rows, { id: "migrations" }), told];
}

function beliefs() {
  if (data.beliefs.length === 0) return null;
  return h("details", { open: true }, h("summary", {}, "What each party believed when the first invariant broke"),
    table([["party", "", (row) => row.party], ["belief", "long", (row) => h("pre", {}, pretty(row.belief))]], data.beliefs));
}

function plan() {
  const text = JSON.stringify(data.plan, null, 2);
  const faults = data.plan.faults.length ? h("p", {}, "It is run by ", h("code", {}, "cargo sim run --plan plan.json"), ".") : null;
  return h("details", {}, h("summary", {}, "The plan of this run"), faults,
    h("p", {}, h("pre", {}, text), h("button", { type: "button", class: "copy" }, "Copy")));
}
