/** A moment of the run: seconds, to the millisecond. */
function moment(ms) {
  return `${(ms / 1000).toFixed(3)} s`;
}

/** How long something took. */
function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} min ${((ms % 60_000) / 1000).toFixed(0)} s`;
}

/** Round values from `from` to `until`, at most `count` of them. */
function ticks(from, until, count) {
  const rough = (until - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const values = [];
  for (let value = Math.ceil(from / step) * step; value <= until; value += step) values.push(value);
  return { step, values };
}
