/** The events in the window as a list, with its filters. */
function makeList() {
  const rows = events.map((event) => h("li", { role: "option", id: `event-${event.index}`, "data-event": event.index, "aria-selected": "false" },
    h("span", { class: "time" }, (event.at / 1000).toFixed(3)),
    h("span", { class: `icon ${event.kind}`, title: KINDS[event.kind][1] }, KINDS[event.kind][0]),
    h("span", { class: `text ${event.kind}` },
      event.migration !== null && data.casts.length > 1
        ? h("span", { class: "swatch", title: nameOf(event.migration), css: { background: `var(--m${event.migration % 8})` } }) : null,
      event.text)));
  const list = h("ol", { id: "list", role: "listbox", tabindex: 0, "aria-label": "Events in the window" }, rows);
  const count = h("span", { class: "soft", role: "status" });

  list.addEventListener("click", (click) => {
    const row = click.target.closest("li");
    if (row) select(events[row.dataset.event]);
  });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -events.length, End: events.length }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });

  let selected = null;
  watch(() => {
    let listed = 0;
    events.forEach((event, index) => {
      const shows = isListed(event);
      rows[index].hidden = !shows;
      listed += shows;
    });
    count.textContent = `${listed} of ${events.length} events`;
    if (selected === view.selected) return;
    selected?.index !== undefined && rows[selected.index].setAttribute("aria-selected", "false");
    selected = view.selected;
    if (!selected) {
      list.removeAttribute("aria-activedescendant");
      return;
    }
    const row = rows[selected.index];
    row.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", row.id);
    if (!row.hidden) list.scrollTop += row.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 2;
  });
  return h("section", { class: "panel", "aria-label": "Events" }, h("div", { class: "list-head row" }, search(), count, kindBoxes()), list);
}

function search() {
  return h("input", { type: "search", id: "search", placeholder: "search", "aria-label": "Events that contain", oninput: (event) => {
    view.text = event.target.value.trim().toLowerCase();
    changed();
  } });
}

function kindBoxes() {
  const present = Object.keys(KINDS).filter((kind) => events.some((event) => event.kind === kind));
  return present.map((kind) => h("label", { class: "chip" },
    h("input", { type: "checkbox", checked: view.kinds.has(kind), "data-kind": kind, onchange: (event) => {
      view.kinds[event.target.checked ? "add" : "delete"](kind);
      changed();
    } }), `${KINDS[kind][0]} ${KINDS[kind][1]}`));
}
