content.append(...[
  brokenList(),
  runFacts(),
  ...migrationTable().flat(),
  h("div", { class: "workbench" },
    h("div", {}, toolbar(), makeTimeline()),
    h("aside", {}, makeDetails(), makeList())),
  beliefs(),
  plan(),
].filter(Boolean));
changed();
