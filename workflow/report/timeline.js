// Drawings over time: every launch of the campaign, one request of each engine, and what the monitor saw.
"use strict";
const WIDTH = 1200, LEFT = 210, LANE = 42, BASE = 34, MEDIAN = 16, MAGNIFIED = 80;

// About eight round steps from 0 to the end.
function ticks(end) {
  const power = 10 ** Math.floor(Math.log10(end / 8));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => end / one <= 8);
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, number) => number * step);
}

function axis(x, end, height, unit) {
  const [factor, shown] = unit === "ms" && end >= 10_000 ? [1 / 1000, "s"] : [1, unit];
  return ticks(end).flatMap((at) => [
    made("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: height }),
    made("text", { class: "soft", x: x(at), y: height + 15, "text-anchor": "middle" },
      `${+(at * factor).toPrecision(6)} ${shown}`),
  ]);
}

function lane(engine, top, beneath = "") {
  const { name } = told.engines[engine];
  const words = name.length > 27 ? `${name.slice(0, 26)}…` : name;
  return [made("text", { x: 0, y: top + 20 }, words, made("title", {}, name)),
    made("text", { class: "soft", x: 0, y: top + 35 }, beneath)];
}

const coloured = (engine) => ({ style: `--own:${told.engines[engine].colour}`, class: "own" });

function launchMarks([engine, workload, block, begin, end, status, disturbed, remarks, values], x, top) {
  const here = workload === place().workload;
  const value = values.find(([name]) => name === place().case) ?? values[0];
  const height = value ? Math.min(32, Math.max(2, MEDIAN + (value[1] - 1) * MAGNIFIED)) : 8;
  const latency = value ? `; latency ${three.format(value[1])} of the engine's median in ${value[0]}` : "";
  const words = `${told.engines[engine].name}, ${workload}, launch ${block}: ${status}${latency}; ` +
    (remarks.join(", ") || "no remark");
  const width = Math.max(2, x(end) - x(begin) - 1);
  const bar = { x: x(begin), width, height, y: top + BASE - height, opacity: here ? 1 : 0.3, ...coloured(engine) };
  if (status !== "ok") bar.class = "failed";
  const marks = [made("rect", bar, made("title", {}, words))];
  if (disturbed) marks.push(made("rect", { class: "cap", x: x(begin), width, height: 4, y: top + BASE - height - 5 }));
  return marks;
}

drawers.push(() => {
  const { launches, pauses } = told.time;
  const rows = [...told.engines.keys()].filter(isShown);
  const end = Math.max(1, ...launches.map((one) => one[4]));
  const factor = end > 7200 ? 1 / 3600 : end > 120 ? 1 / 60 : 1;
  const x = (seconds) => LEFT + (seconds / end) * (WIDTH - LEFT - 20);
  const height = rows.length * LANE + 4;
  const drifts = (engine) => told.drifts.some(([other, workload, name]) =>
    other === engine && workload === place().workload && name === place().case);
  const marks = rows.flatMap((engine, number) => {
    const top = number * LANE;
    const y = top + BASE;
    return [
      ...lane(engine, top, drifts(engine) ? "drifts over the campaign" : ""),
      made("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y, y2: y }),
      ...launches.filter((one) => one[0] === engine).flatMap((one) => launchMarks(one, x, top)),
      made("line", { class: "median", x1: LEFT, x2: WIDTH, y1: y - MEDIAN, y2: y - MEDIAN }),
    ];
  });
  const cuts = pauses.map(([at, length]) => made("line",
    { class: "pause", x1: x(at + 30), x2: x(at + 30), y1: 0, y2: height },
    made("title", {}, `a pause of ${three.format(length / 60)} minutes, drawn as one`)));
  const unit = { [1 / 3600]: "h", [1 / 60]: "min", 1: "s" }[factor];
  const scale = axis((at) => x(at / factor), end * factor, height, unit);
  document.getElementById("launch-timeline").replaceChildren(made("svg", {
    viewBox: `0 0 ${WIDTH} ${height + 20}`, role: "img",
    "aria-label": "When each launch ran; the table of launches tells the same",
  }, ...scale, ...marks, ...cuts));
});

drawers.push(() => {
  const found = told.requests
    .filter((one) => isShown(one.engine) && one.workload === place().workload && one.case === place().case)
    .sort((one, other) => one.at.at(-1) - other.at.at(-1));
  const end = Math.max(1, ...found.map((one) => one.at.at(-1)));
  const x = (ms) => LEFT + (ms / end) * (WIDTH - LEFT - 20);
  const height = found.length * LANE + 4;
  const marks = found.flatMap(({ engine, at, count, block, every }, number) => {
    const top = number * LANE;
    const last = at.at(-1);
    const beneath = `first ${three.format(at[0])} ms, rest ${three.format(last - at[0])} ms`;
    const words = `${told.engines[engine].name}, launch ${block}: ${count} tokens` +
      (every > 1 ? `, of which every ${every}th is drawn` : "");
    return [
      ...lane(engine, top, beneath),
      made("rect", { x: x(0), width: x(at[0]) - x(0), y: top + 14, height: 10, opacity: 0.3, ...coloured(engine) }),
      ...at.map((ms) => made("rect", { x: x(ms) - 1, width: 2, y: top + 8, height: 22, ...coloured(engine) })),
      made("rect", { x: x(0), width: x(last) - x(0), y: top + 8, height: 22, opacity: 0 }, made("title", {}, words)),
    ];
  });
  const thinned = found.some((one) => one.every > 1);
  document.getElementById("tokens-thinned").hidden = !thinned;
  document.getElementById("token-timeline").replaceChildren(made("svg", {
    viewBox: `0 0 ${WIDTH} ${height + 20}`, role: "img",
    "aria-label": found.map(({ engine, at }) => `${told.engines[engine].name}: first token after ` +
      `${three.format(at[0])} ms, last after ${three.format(at.at(-1))} ms`).join("; "),
  }, ...axis(x, end, height, "ms"), ...marks));
});

function drawReadings() {
  const reading = document.getElementById("reading"), name = reading.value;
  const unit = reading.selectedOptions[0].textContent.split(", ").at(-1);
  const found = told.monitor.launches.filter((one) =>
    isShown(one.engine) && one.workload === place().workload && name in one.series);
  const end = Math.max(1, ...found.flatMap((one) => [one.measured[1], one.series[name].at(-1)[0]]));
  const largest = Math.max(0, ...found.flatMap((one) => one.series[name].map(([, value]) => value))) || 1;
  const x = (ms) => LEFT + (Math.max(0, ms) / end) * (WIDTH - LEFT - 20);
  const height = found.length * LANE + 4;
  const marks = found.flatMap(({ engine, block, load, measured, series }, number) => {
    const top = number * LANE;
    const y = (value) => top + BASE - (value / largest) * (BASE - 4);
    const peak = Math.max(...series[name].map(([, value]) => value));
    const phase = ([begin, until], words) => made("rect",
      { class: "phase", x: x(begin), width: Math.max(1, x(until) - x(begin)), y: top + 2, height: BASE - 2 },
      made("title", {}, `${told.engines[engine].name}, launch ${block}: ${words}`));
    const points = series[name].map(([ms, value]) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    return [
      ...lane(engine, top, `at most ${three.format(peak)} ${unit}`),
      phase(load, "loading"), phase(measured, "measured"),
      made("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: top + BASE, y2: top + BASE }),
      made("polyline", { points, style: `--own:${told.engines[engine].colour}`, class: "curve" }),
    ];
  });
  document.getElementById("monitor-timeline").replaceChildren(made("svg", {
    viewBox: `0 0 ${WIDTH} ${height + 20}`, role: "img",
    "aria-label": found.map(({ engine, series }) => `${told.engines[engine].name}: at most ` +
      `${three.format(Math.max(...series[name].map(([, value]) => value)))} ${unit}`).join("; ") || "No samples",
  }, ...axis(x, end, height, "ms"), ...marks));
}

if (told.monitor.readings.length > 0) {
  document.getElementById("reading").addEventListener("change", drawReadings);
  drawers.push(drawReadings);
}
follow();
