// Many seeds: how they ended, how long they took, which rare paths they took, and each that broke something.
{
  const percentiles = (name, of) => [name, ...of.percentiles.map(([, value]) => duration(value)), String(of.count)];
  const times = [percentiles("pause", data.pauses), percentiles("total", data.totals)].filter((row) => row.length === 6);
  const octaves = (of) => Object.entries(of.octaves).map(([from, count]) => [`${duration(+from)} to ${duration(2 * from)}`, count]);
  const minutes = data.wall_ms / 60_000;
  const missed = data.paths.filter((path) => path.runs === 0);

  function failure(failed) {
    return h("article", { class: "failure", "data-invariants": failed.broken.map(([name]) => name).join(" ") || failed.class },
      h("h3", {}, `Seed ${failed.seed}: ${failed.class}`),
      failed.broken.map(([name, at, message]) => h("p", {}, h("b", { class: "broke" }, name), ` at ${moment(at)}: ${message}`)),
      failed.complaint ? h("pre", {}, failed.complaint) : null,
      h("p", {}, h("span", { class: "soft" }, `${failed.migrations} migrations, faults: `), failed.faults.join(" ")),
      h("p", { class: "command" }, h("span", { class: "soft" }, "Again:"), copyable(failed.command)),
      h("p", { class: "command" }, h("span", { class: "soft" }, "Smaller:"), copyable(`cargo sim shrink ${failed.plan}`)));
  }

  function failures() {
    if (data.failed.length === 0) return [h("p", { class: "holds" }, "✔ none")];
    const articles = data.failed.map(failure);
    const names = [...new Set(articles.flatMap((article) => article.dataset.invariants.split(" ")))].sort();
    const only = h("select", { "aria-label": "Only what broke", onchange: () => {
      for (const article of articles) article.hidden = only.value && !article.dataset.invariants.split(" ").includes(only.value);
    } }, h("option", { value: "" }, "all"), names.map((name) => h("option", { value: name }, name)));
    return [h("p", {}, "Show ", only), ...articles];
  }

  content.append(
    facts([
      ["runs", String(data.runs)],
      ["messages", String(data.messages)],
      ["runs with an excused loss", String(data.excused)],
      ["rare paths", `${data.paths.length - missed.length} of ${data.paths.length} reached`],
      ["real time", duration(data.wall_ms)],
      ["speed", `${(data.runs / Math.max(minutes, 1e-9)).toFixed(0)} runs/min, ${data.jobs} at once`],
    ]),
    h("h2", {}, "Broken"), h("section", { id: "failures" }, failures()),
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "How migrations ended"),
        h("div", { id: "outcomes" }, bars("outcome", "migrations", Object.entries(data.outcomes)))),
      h("section", {}, h("h2", {}, "How long it took"),
        h("div", { id: "times" }, table(["", "p50", "p90", "p99", "max", "of"].map((name, index) =>
          [name, index ? "number" : "", (row) => row[index]]), times))),
      h("section", {}, h("h2", {}, "Pauses: nobody owned the queue"), bars("pause", "migrations", octaves(data.pauses))),
      h("section", {}, h("h2", {}, "From start to end"), bars("total", "migrations", octaves(data.totals)))),
    h("h2", {}, "Rare paths"),
    h("div", { id: "paths" }, bars("path", "runs", [...data.paths]
      .sort((a, b) => a.runs - b.runs || a.name.localeCompare(b.name))
      .map((path) => [path.name, path.runs, path.runs === 0 ? "✘ not reached" : undefined]))));
}
