/** An event in a few words, for the tooltip. */
function tell(event) {
  const lasts = event.until === null ? ", to the end" : event.until > event.at ? `, for ${duration(event.until - event.at)}` : "";
  const whose = event.migration !== null && data.casts.length > 1 ? `${nameOf(event.migration)} · ` : "";
  const when = h("span", { class: "soft" }, `${whose}${moment(event.at)}${lasts}`);
  const more = event.kind === "message" ? [h("pre", {}, pretty(event.item.text))] : [];
  return [h("b", {}, event.text), when, ...more];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1).replace(/\n\s*/g, (space) => (space.length > 3 ? " " : "\n"));
  } catch {
    return text;
  }
}

/** Everything about an event. */
function explainEvent(event) {
  const { item } = event;
  const lines = {
    message: () => [h("pre", {}, pretty(item.text))],
    process: () => [h("p", {}, `Container ${item.id}. `, item.exit_code === null ? "It runs to the end." : `Exit code ${item.exit_code}.`)],
    fault: () => [h("p", {}, item.parties?.length ? `Strikes ${item.parties.join(", ")}.` : "")],
    write: () => [h("p", {}, item.changed ? "It changed something." : "It changed nothing.")],
    violation: () => [h("p", {}, "What each party believed at the first of them is below.")],
  }[event.kind]?.() ?? [];
  return [...tell(event).slice(0, 2), ...lines];
}

function makeDetails() {
  const box = h("section", { id: "details", class: "panel", "aria-live": "polite", "aria-label": "Details" });
  let shown;
  watch(() => {
    if (shown === view.selected) return;
    shown = view.selected;
    box.replaceChildren(...(shown ? explainEvent(shown) : [
      h("p", { class: "soft" }, "Point at anything to read what it is; click keeps it here. Drag moves the timeline, Ctrl and the wheel zoom, a double click goes closer."),
    ]));
  });
  return box;
}
