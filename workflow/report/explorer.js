// The cost explorer: every engine's cost, machines and limits by the reader's figures, with the sums that made
// business_recommendations.json, so that it begins with that document's figures.
"use strict";
const costs = told.costs;
const DAY_S = 86400, TONES = { kept: "sure", missed: "bad", "not shown": "open" };
const field = (name) => document.getElementById(`explorer-${name}`);
const fields = [...document.querySelectorAll("#explorer input")];

// The number in a field; null where it is empty or out of range.
function entered(name) {
  const input = field(name);
  return input.value === "" || !input.validity.valid ? null : input.valueAsNumber;
}

// Three significant digits, and no more than the integer part needs, as the tables show a number.
function significant(value) {
  if (value === null || !Number.isFinite(value)) return "—";
  if (value === 0) return "0";
  const digits = Math.min(20, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(+value.toPrecision(3))))));
  return (+value.toFixed(digits)).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// A figure as [point, low, high], an unknown end being the point.
const ends = ({ point, low, high }) => [point, low ?? point, high ?? point];

// What an hour costs this engine as [point, low, high]; null where that is not known.
function priceOf(row) {
  const typed = field("price").value;
  const [chosen] = [costs.offers[field("offer")?.value], ...costs.offers].filter((one) => one?.shown === typed);
  if (field("offer")) field("offer").value = chosen ? costs.offers.indexOf(chosen) : "";
  if (chosen) return row.offers.includes(chosen.id) ? ends(chosen) : null;
  const own = entered("price");
  return own === null ? null : [own, own, own];
}

const statesLengths = () => entered("prompt") !== null || entered("answer") !== null;
const hasTiers = () => costs.has_tiers && !statesLengths();

// The engine's measured case: that of the filter or, where lengths are stated, the one with the nearest lengths.
function caseOf(engine) {
  const rows = costs.rows.filter((row) => row.engine === engine);
  const here = rows.find((row) => row.workload === place().workload && row.case === place().case);
  const stated = statesLengths();
  const prompt = entered("prompt") ?? here?.prompt ?? null, answer = entered("answer") ?? here?.answer ?? null;
  if (!stated || prompt === null || answer === null) return { row: here, prompt, answer };
  const apart = (row) => [[row.prompt, prompt], [row.answer, answer]]
    .reduce((sum, [a, b]) => sum + Math.max(a / b, b / a), 0);
  const measured = rows.filter((one) => one.prompt !== null), loaded = measured.filter((one) => one.served);
  const usable = loaded.length ? loaded.filter((one) => one.at_limits) : measured;
  const [row] = usable.sort((one, other) => apart(one) - apart(other));
  return { row, prompt, answer, stated };
}

// Seconds of a request as [point, best, worst], under load those that a machine takes for each of the requests that it
// answers side by side; null where a time was not measured.
function secondsOf({ row, prompt, answer }) {
  if (!row.ttft_ms || !row.tpot_ms || prompt === null) return null;
  const [first, next] = [ends(row.ttft_ms), ends(row.tpot_ms)];
  const alone = (which) => (first[which] * (prompt / row.prompt) + (answer - 1) * next[which]) / 1000;
  if (!row.served) return [0, 1, 2].map(alone);
  const asLong = alone(0) * 1000 / (first[0] + (row.answer - 1) * next[0]);
  const [point, low, high] = ends(row.served);
  return [asLong / point, asLong / high, asLong / low];
}

function judged(estimate, limit, factor) {
  if (!estimate || estimate.high === null) return "not shown";
  return estimate.high * factor <= limit ? "kept" : estimate.low * factor > limit ? "missed" : "not shown";
}

// What the limits come to: missed where one is, kept where all are, else not shown; null without any limit.
function limitsOf({ row, prompt }) {
  const asked = [["ttft_ms", prompt === null ? 1 : prompt / row.prompt], ["tpot_ms", 1]]
    .filter(([name]) => entered(name) !== null);
  const found = asked.map(([name, factor]) => judged(row[name], entered(name), factor));
  return found.length === 0 ? null : ["missed", "not shown", "kept"].find((word) => found.includes(word));
}

// All figures of one engine, each [point, low, high] or null.
function figuresOf(engine) {
  const found = caseOf(engine);
  const { row, prompt, answer, stated } = found;
  if (!row) return { engine, reason: "not measured in this test case", tier: hasTiers() ? "—" : undefined };
  const seconds = secondsOf(found);
  const measured = !stated || (prompt === row.prompt && answer === row.answer);
  const rate = measured ? row.rate && ends(row.rate)
    : seconds && [0, 2, 1].map((which) => answer / seconds[which]);
  const price = priceOf(row), busy = entered("utilisation") / 100;
  const perMillion = rate && price && [[0, 0], [1, 2], [2, 1]].map(([dollars, speed]) =>
    (price[dollars] * 1e6) / (3600 * (rate[speed] > 0 ? rate[speed] : rate[0]) * busy));
  const [requests, peak, spare] = ["requests", "peak", "spare"].map(entered);
  // A count a hair above a whole number is that number, as the solver of the fleet takes it.
  const machines = requests === null ? [1, 1, 1] : seconds && peak !== null && spare !== null &&
    seconds.map((one) => Math.ceil((requests * peak / DAY_S) / ((1 - spare / 100) / one) - 1e-6));
  const month = machines && price && machines.map((count, which) => count * price[which] * costs.hours_per_month);
  const where = told.places.find((one) => one.workload === row.workload && one.case === row.case).label;
  const basis = stated ? `${measured ? "measured" : "estimate from"} ${where} (${row.prompt} + ${row.answer} tokens)`
    : "";
  const reason = price === null && entered("price") !== null ? "the price is not of the machine that it ran on" : "";
  // Tiers are of the lengths that were measured.
  const tier = hasTiers() ? row.tier ?? (row.unranked ? "—" : "none") : undefined;
  return { engine, row, reason, rate, perMillion, machines, month, limits: limitsOf(found), basis, tier };
}

function numberCell(figures, bold = false, shown = significant) {
  if (!figures || !Number.isFinite(figures[0])) return made("td", { class: "number" }, "—");
  const [point, low, high] = figures.map(shown);
  const span = low === high ? [] : [" ", made("span", { class: "range" }, `${low} to ${high}`)];
  return made("td", { class: "number" }, bold ? made("b", {}, point) : point, ...span);
}

function engineRow({ engine, row, reason, rate, perMillion, machines, month, limits, basis, tier }) {
  const { name } = told.engines[engine];
  const remark = [row?.unranked && `not ranked: ${row.unranked}`, reason, basis].filter(Boolean).join("; ");
  const word = limits && !row.unranked ? made("span", { class: `badge ${TONES[limits]}` }, limits) : "—";
  return made("tr", {},
    made("th", { scope: "row", class: "name" },
      swatch(told.engines[engine]),
      ...breakable(name), " ", made("span", { class: "range" }, remark)),
    numberCell(rate), numberCell(perMillion, true), numberCell(machines, false, (count) => count.toLocaleString("en")),
    numberCell(month, true), made("td", {}, word), ...(tier === undefined ? [] : [made("td", {}, tier)]));
}

// Who keeps the limits, and what is missing or out of range, in sentences.
function statusOf(found) {
  const wrong = fields.filter((input) => !input.validity.valid)
    .map((input) => `${input.labels[0].textContent.trim()}: a number from ${input.min} to ${input.max}.`);
  const price = field("price").value === "" ? ["No price: fill in what an hour of this machine costs you."] : [];
  const limits = Object.keys(TONES).flatMap((word) => {
    const names = found.filter((one) => one.limits === word && !one.row.unranked).map((one) => told.engines[one.engine].name);
    return names.length ? [`Limits ${word}: ${names.join(", ")}.`] : [];
  });
  return [...wrong, ...price, ...limits].join(" ");
}

// Names the part of the demand that the fields hold, if they hold one.
function namePool() {
  const holds = ({ values }) => Object.entries(values).every(([name, value]) => field(name).value === String(value ?? ""));
  const number = costs.pools.findIndex(holds);
  if (field("pool")) field("pool").value = number < 0 ? "" : number;
}

function drawCosts() {
  namePool();
  const found = [...told.engines.keys()].filter((engine) => isShown(engine) && told.engines[engine].control === null)
    .map(figuresOf).sort((one, other) => Boolean(one.row?.unranked) - Boolean(other.row?.unranked) ||
      (other.rate?.[0] ?? 0) - (one.rate?.[0] ?? 0));
  const lengths = statesLengths() ? "at your lengths" : place().label;
  const head = ["Output tokens/s", "USD per million output tokens", "Machines", "USD a month", "Your limits",
    ...(hasTiers() ? ["Tier"] : [])];
  document.getElementById("explorer-table").replaceChildren(
    made("caption", {}, made("span", {}, `Cost ${costs.load} on each machine, ${lengths}`)),
    made("thead", {}, made("tr", {}, made("th", { scope: "col" }, "Engine"),
      ...head.map((words, number) => made("th", { scope: "col", class: number < 4 ? "number" : "" }, words)))),
    made("tbody", {}, ...found.map(engineRow)));
  document.getElementById("explorer-status").textContent = statusOf(found);
}

drawers.push(drawCosts);

document.getElementById("explorer").addEventListener("input", ({ target }) => {
  if (target.id === "explorer-offer" && target.value !== "") field("price").value = costs.offers[target.value].shown;
  if (target.id === "explorer-pool" && target.value !== "")
    for (const [name, value] of Object.entries(costs.pools[target.value].values)) field(name).value = value ?? "";
  keepAddress();
  drawCosts();
});
document.getElementById("explorer-reset").addEventListener("click", () => {
  for (const input of fields) input.value = input.defaultValue;
  for (const select of document.querySelectorAll("#explorer select")) select.selectedIndex = 0;
  keepAddress();
  drawCosts();
});
