/** What kinds of events there are: their icon, their name, and whether the list shows them at first. */
const KINDS = {
  violation: ["✘", "broken", true],
  fault: ["⚡", "faults", true],
  phase: ["▬", "phases", true],
  milestone: ["◆", "milestones", true],
  message: ["→", "messages", true],
  process: ["▷", "processes", true],
  run: ["·", "run", true],
  progress: ["~", "lag", false],
  write: ["✎", "API writes", false],
};

const indexOf = (name) => data.casts.findIndex((cast) => cast.migration === name);
const only = data.casts.length === 1 ? 0 : null;
const nameOf = (migration) => data.casts[migration]?.migration ?? "migration";
const replayQueue = (cast) => `${cast.queue}.ms2m.${cast.migration}`;

/** The migration that a pod belongs to; none for a Job's. */
function ofPod(pod) {
  const index = data.casts.findIndex((cast) => cast.source === pod || cast.target === pod);
  return index < 0 ? null : index;
}

function ofWrite(write) {
  const words = write.text.split(/[ /]/);
  const index = data.casts.findIndex((cast) => [cast.migration, cast.source, cast.target].some((name) => words.includes(name)));
  return index < 0 ? null : index;
}

/**
 * Everything that happened, in order: `{ at, until, kind, migration, text, item }`; `until` is null for what lasts to the
 * end of the run, `migration` for what belongs to none.
 */
const events = (() => {
  const all = [];
  const add = (kind, at, migration, text, item, until = at) => all.push({ kind, at, until, migration, text, item });
  for (const item of data.violations) add("violation", item.at_ms, null, `${item.invariant} is broken: ${item.message}`, item);
  for (const item of data.strikes) add("fault", item.from_ms, null, item.text, item, item.until_ms);
  for (const item of data.letters) {
    const index = indexOf(item.migration);
    add("message", item.at_ms, index < 0 ? only : index, `${item.word}: ${item.from} → ${item.to}`, item);
  }
  for (const item of data.processes) {
    const how = item.restored ? "restored from a checkpoint" : "started";
    add("process", item.from_ms, ofPod(item.pod), `${item.pod} ${how} on ${item.node}`, item, item.until_ms);
  }
  for (const item of data.writes) add("write", item.at_ms, ofWrite(item), `${item.text}: ${item.code || "connection broken"}`, item);
  for (const item of data.samples) {
    const applied = item.apply_rate === null ? "?" : item.apply_rate.toFixed(1);
    const text = `lag ${item.lag}, ${item.arrival_rate.toFixed(1)}/s arrive, ${applied}/s applied`;
    add("progress", item.at_ms, item.workload, text, item);
  }
  for (const item of data.events) {
    const migration = item.migration ?? null;
    if (item.lane === "phase") add("phase", item.at_ms, migration ?? only, item.text, item);
    else if (item.lane === "app" && item.text.startsWith("lag ")) continue;
    else if (item.lane === "app" && migration !== null) add("milestone", item.at_ms, migration, item.text, item);
    else if (item.lane === "fault" && data.strikes.length > 0) continue;
    else add(item.lane === "fault" ? "fault" : "run", item.at_ms, null, item.text, item);
  }
  all.sort((a, b) => a.at - b.at);
  // A phase lasts until the next one of its migration.
  const entered = new Map();
  all.forEach((event, index) => {
    event.index = index;
    if (event.kind !== "phase") return;
    const before = entered.get(event.migration);
    if (before) before.until = event.at;
    event.ordinal = before ? before.ordinal + 1 : 0;
    event.until = null;
    entered.set(event.migration, event);
  });
  return all;
})();

const ofKind = (kind) => events.filter((event) => event.kind === kind);
const END = Math.max(1000, ...events.map((event) => Math.max(event.at, event.until ?? 0)));
