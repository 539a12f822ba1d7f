// The pair matrix: row against column, with the sentence of the pair that is pressed.
"use strict";

// With more engines a cell shows its ratio alone, so that all columns fit beside each other.
const MOST_WITH_INTERVALS = 10;

// The comparison of two engines as the row's engine sees it; undefined where there is none.
function compared(row, column) {
  const groups = told.groups.filter((one) => one.workload === place().workload && one.metric === shown.metric);
  const group = groups.find((one) => one.case === place().case) ?? groups.find((one) => one.case === null);
  for (const [engine, reference, point, low, high, verdict, faster, sentence] of group?.pairs ?? []) {
    const sign = told.verdicts[verdict].signs[faster === null ? 2 : faster === row ? 0 : 1];
    if (engine === row && reference === column) return { ratio: point, low, high, verdict, sign, sentence };
    if (engine !== column || reference !== row) continue;
    const over = (value) => (value === null ? null : 1 / value);
    return { ratio: over(point), low: over(high), high: over(low), verdict, sign, sentence };
  }
}

function pairCell(row, column) {
  const pair = row === column ? undefined : compared(row, column);
  if (pair === undefined) return made("td", { class: "nothing" }, "–");
  const words = told.verdicts[pair.verdict];
  const ratio = pair.ratio === null ? "–" : `${three.format(pair.ratio)}×`;
  const interval = pair.low === null ? "" : `${three.format(pair.low)} to ${three.format(pair.high)}`;
  const [first, second] = [told.engines[row].name, told.engines[column].name];
  const label = `${first} against ${second}: ${ratio}${interval && `, ${interval}`}, ${words.label}`;
  const sign = pair.ratio === null ? "" : `${pair.sign} `;
  const button = made("button", { type: "button", "aria-pressed": "false", "aria-label": label, title: label },
    made("b", {}, sign + ratio), " ", made("small", {}, interval));
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("#matrix button")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    document.getElementById("pair-sentence").replaceChildren(
      made("span", { class: `badge ${words.tone}` }, words.label), ` ${pair.sentence ?? `${label}. Its sentence is in analysis/statistical_summary.json.`} ${words.meaning}`);
  });
  return made("td", { class: words.tone }, button);
}

drawers.push(() => {
  if (document.getElementById("matrix") === null) return; // one engine has no pair
  const rows = [...told.engines.keys()].filter((engine) => isShown(engine) && told.engines[engine].control === null);
  const metric = told.metrics.find((one) => one.name === shown.metric);
  const head = rows.map((engine) => made("th", { scope: "col" }, ...breakable(told.engines[engine].name)));
  const body = rows.map((row) => made("tr", {},
    made("th", { scope: "row" }, ...breakable(told.engines[row].name)), ...rows.map((column) => pairCell(row, column))));
  const isLarge = rows.length > MOST_WITH_INTERVALS;
  document.getElementById("matrix").classList.toggle("large", isLarge);
  document.getElementById("matrix").replaceChildren(
    made("caption", {}, made("span", {}, `${metric.label}, ${place().label}: row against column, times as good`)),
    made("thead", {}, made("tr", {}, made("td"), ...head)), made("tbody", {}, ...body));
  document.getElementById("pair-sentence").textContent =
    rows.length > 1 ? `Press a cell for its ${isLarge ? "interval and " : ""}sentence.` : "Choose two engines or more above to compare them.";
});
