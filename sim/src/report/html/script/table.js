/** A table; a column is `[heading, class, value of a row]`. */
function table(columns, rows, attributes) {
  const head = columns.map(([name, kind]) => h("th", { class: kind, scope: "col" }, name));
  const body = rows.map((row) => h("tr", {}, columns.map(([, kind, value]) => h("td", { class: kind }, value(row)))));
  return h("div", { class: "scroll" }, h("table", attributes, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

/** A bar for each of `[name, number, note]`. */
function bars(name, unit, rows) {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  const body = rows.map(([label, count, note]) => h("tr", { class: note ? "missing" : "" },
    h("td", {}, label),
    h("td", { class: "number" }, String(count)),
    h("td", { class: "bar" }, note ?? h("span", { css: { width: `${(100 * count) / most}%` } }))));
  const head = h("tr", {}, h("th", { scope: "col" }, name), h("th", { scope: "col", class: "number" }, unit), h("th", { class: "bar" }));
  return h("table", { class: "bars" }, h("thead", {}, head), h("tbody", {}, body));
}

function outcome(name) {
  return h("span", { class: `outcome ${name.toLowerCase()}` }, name);
}

/** Facts beside each other: `[name, value]`. */
function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
