// Kinds of faults by steps: a letter and a colour for each cell, and why.
{
  const LETTERS = [
    ["C", "completed", "letter-C"], ["R", "rolled back", "letter-R"], ["F", "failed", "letter-F"], ["D", "deleted before it began", "letter-none"],
    ["!", "an invariant broke", "letter-broken"], ["-", "nothing to strike, or nothing met it", "letter-none"],
    ["·", "the step is not passed", "letter-none"],
  ];
  const classOf = (letter) => LETTERS.find(([known]) => known === letter)?.[2] ?? "";
  const nameOf = (letter) => LETTERS.find(([known]) => known === letter)?.[1] ?? "";
  const edge = (index) => (index > 0 && data.columns[index].begins ? "group" : "");
  const details = h("section", { id: "details", class: "panel", "aria-live": "polite" },
    h("p", { class: "soft" }, "A cell says here why it ended so, and how it is run again. Arrow keys go from cell to cell."));
  let current = null;

  function say(row, column) {
    const cell = data.rows[row].cells[column];
    return [h("b", {}, `${data.rows[row].kind}@${data.columns[column].step}: ${nameOf(cell.letter)}`), cell.reason];
  }

  function select(td) {
    current?.setAttribute("tabindex", "-1");
    current?.removeAttribute("aria-selected");
    current = td;
    td.setAttribute("tabindex", "0");
    td.setAttribute("aria-selected", "true");
    const { row, column } = td.dataset;
    details.replaceChildren(h("p", {}, ...say(row, column).flatMap((part) => [part, " "])),
      h("p", { class: "command" }, copyable(data.rows[row].cells[column].command)));
  }

  function go(td, down, right) {
    let row = td.parentElement;
    let index = td.cellIndex;
    for (;;) {
      index += right;
      for (row = down > 0 ? row.nextElementSibling : down < 0 ? row.previousElementSibling : row; row?.hidden;) {
        row = down > 0 ? row.nextElementSibling : row.previousElementSibling;
      }
      const next = row?.cells[index];
      if (!next || next.tagName === "TH") return;
      if (next.dataset.row) { next.focus(); select(next); return; }
    }
  }

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const body = h("tbody", {
    onclick: (event) => { if (event.target.dataset.row) select(event.target); },
    onpointerover: (event) => {
      const { row, column } = event.target.dataset;
      if (row) showTooltip(say(row, column), event.clientX, event.clientY);
    },
    onpointerleave: hideTooltip,
    onkeydown: (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow || !event.target.dataset.row) return;
      event.preventDefault();
      go(event.target, ...arrow);
    },
  }, data.rows.map((row, rowIndex) => h("tr", {},
    h("th", { scope: "row" }, row.kind),
    row.cells.map((cell, column) => (cell
      ? h("td", { class: `${classOf(cell.letter)} ${edge(column)}`, "data-row": rowIndex, "data-column": column, tabindex: -1,
        "aria-label": `${nameOf(cell.letter)}: ${cell.reason}` }, cell.letter)
      : h("td", { class: edge(column) }))))));
  body.querySelector("td[data-row]")?.setAttribute("tabindex", "0");

  const trs = [...body.rows];
  const search = h("input", { type: "search", placeholder: "kind of fault", "aria-label": "Kinds of faults that contain", oninput: filter });
  const boxes = LETTERS.map(([letter]) => h("input", { type: "checkbox", checked: true, "data-letter": letter, onchange: filter }));
  function filter() {
    const letters = new Set(boxes.filter((box) => box.checked).map((box) => box.dataset.letter));
    trs.forEach((tr, index) => {
      const row = data.rows[index];
      const shows = row.cells.some((cell) => cell && letters.has(cell.letter));
      tr.hidden = !shows || !row.kind.includes(search.value.trim());
    });
  }

  const count = (letter) => data.rows.flatMap((row) => row.cells).filter((cell) => cell?.letter === letter).length;
  const reasons = new Map();
  for (const row of data.rows) {
    row.cells.forEach((cell, index) => {
      if (!cell || cell.letter === "C" || cell.letter === "·" || cell.letter === "-") return;
      const key = `${cell.letter}\n${cell.reason}`;
      if (!reasons.has(key)) reasons.set(key, []);
      reasons.get(key).push(`${row.kind}@${data.columns[index].step}`);
    });
  }
  const why = [...reasons].sort(([a], [b]) => a.localeCompare(b));

  content.append(
    h("div", { class: "row toolbar" }, "Rows with",
      LETTERS.map(([letter, name, style], index) => h("label", { class: "chip" }, boxes[index],
        h("span", { class: `key ${style}` }, letter), `${name} (${count(letter)})`)),
      search),
    h("div", { class: "panel matrix-scroll" }, h("table", { id: "grid", role: "grid", "aria-label": "Outcome by fault and step" },
      h("thead", {}, h("tr", {}, h("th", {}, ""), data.columns.map((column, index) =>
        h("th", { scope: "col", class: edge(index) }, h("span", {}, column.step))))),
      body)),
    details,
    h("h2", {}, "Why, where it did not complete"),
    table([
      ["", "", ([key]) => h("span", { class: `key ${classOf(key[0])}` }, key[0])],
      ["reason", "long", ([key]) => key.slice(2)],
      ["cells", "number", ([, cells]) => String(cells.length)],
      ["which", "long", ([, cells]) => (cells.length > 12 ? `${cells.slice(0, 12).join(" ")} …` : cells.join(" "))],
    ], why, { id: "why" }));
}
