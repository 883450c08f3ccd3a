/** Pods as dotted lines, the processes in them as bars with their node; a Job's on the lane of its node. */
function drawProcesses(layout) {
  const pods = data.pods.map((pod) => {
    const lane = layout.lane(pod.pod);
    const [from, until] = [Math.max(pod.from_ms, view.from), Math.min(pod.until_ms ?? END, view.until)];
    if (!lane || from > until) return null;
    return s("line", { class: "pod", x1: layout.x(from), x2: layout.x(until), y1: lane.middle, y2: lane.middle });
  });
  const processes = ofKind("process").filter((event) => isShown(event) && isInside(event)).map((event) => {
    const process = event.item;
    const isJob = ofPod(process.pod) === null;
    const lane = layout.lane(isJob ? process.node : process.pod);
    if (!lane) return null;
    const height = isJob ? 12 : 16;
    const { from, width, rect } = band(layout, event, lane.middle - height / 2, height, { rx: 3 });
    const label = isJob ? "Job" : process.node;
    const text = width > widthOf(label) + 8 ? s("text", { class: "soft-text", x: from + 5, y: lane.middle + 4 }, label) : null;
    const died = event.until !== null && process.exit_code !== 0 && event.until <= view.until;
    const x = layout.x(event.until ?? END);
    const cross = died ? s("path", { class: "death", d: `M${x - 4} ${lane.middle - 4}l8 8m0 -8l-8 8` }) : null;
    return mark(event, `process ${process.restored ? "restored" : ""} ${isJob ? "job" : ""}`, rect, text, cross);
  });
  return [pods, processes];
}
