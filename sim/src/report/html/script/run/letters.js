/** Messages as arrows from lane to lane, with their word where there is room for it. */
function drawLetters(layout) {
  const written = new Map();
  return ofKind("message").filter((event) => isShown(event) && isInside(event)).map((event) => {
    const { from, to, word } = event.item;
    const [sender, receiver] = [layout.lane(from), layout.lane(to)];
    if (!sender || !receiver) return null;
    const x = layout.x(event.at);
    const down = receiver.middle > sender.middle ? 1 : -1;
    const [start, tip] = [sender.middle, receiver.middle - down * 2];
    const free = written.get(to) ?? -Infinity;
    const hasRoom = x >= free && x + widthOf(word) + 6 < layout.right;
    if (hasRoom) written.set(to, x + widthOf(word) + 8);
    const kind = to === "operator" ? "reply" : receiver.id.includes(".ms2m.") || word === "SYNC" ? "marker" : "";
    return mark(event, `letter ${kind}`,
      s("line", { class: "hit-area", x1: x, x2: x, y1: start, y2: tip }),
      s("line", { x1: x, x2: x, y1: start, y2: tip - down * 4 }),
      s("path", { d: `M${x} ${tip}l-4 ${-7 * down}h8z` }),
      hasRoom ? s("text", { class: "halo", x: x + 5, y: receiver.words }, word) : null);
  });
}

/** The operator's writes, as strokes on the lane of the API server. */
function drawWrites(layout) {
  const lane = layout.lane("API server");
  return ofKind("write").filter((event) => isShown(event) && isInside(event)).map((event) => {
    const refused = event.item.code < 200 || event.item.code >= 300;
    const x = layout.x(event.at);
    return mark(event, `write ${refused ? "refused" : ""}`,
      s("path", { d: refused ? `M${x - 3} ${lane.middle - 4}l6 8m0 -8l-6 8` : `M${x} ${lane.middle - 5}v10` }),
      s("line", { class: "hit-area", x1: x, x2: x, y1: lane.y + 2, y2: lane.y + lane.height - 2 }));
  });
}
