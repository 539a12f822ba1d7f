// What is shown below the first screen: workload, metric and engines, kept in the address; drawers are told of it.
"use strict";
const told = JSON.parse(document.getElementById("page-data").textContent);
const shown = { where: 0, metric: told.metrics[0].name, without: new Set() };
const drawers = [];
const place = () => told.places[shown.where];
const inGroup = (group) => told.places.filter((one) => one.group === group);
const isShown = (engine) => !shown.without.has(told.engines[engine].name);
const three = new Intl.NumberFormat("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });

// An element with attributes, text and children; of SVG where a drawing asks for it.
function made(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "line", "polyline", "text", "title", "use"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// An engine's colour and mark.
function swatch({ colour, mark }) {
  return made("svg", { class: "swatch", viewBox: "-1 -1 2 2", style: `--own:${colour}`, "aria-hidden": "true" },
    made("use", { href: `#mark-${mark}` }));
}

// A name that may break after an underscore and nowhere else.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, number) => (number ? [made("wbr"), part] : [part]));
}

function addressed() {
  return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : `at=${location.hash.slice(1)}`);
}

function keepAddress(at = addressed().get("at")) {
  const kept = new URLSearchParams();
  if (at) kept.set("at", at);
  kept.set("where", place().label);
  kept.set("metric", shown.metric);
  for (const name of shown.without) kept.append("without", name);
  for (const input of document.querySelectorAll("#explorer input"))
    if (input.value !== input.defaultValue) kept.set(input.id, input.value);
  history.replaceState(null, "", `#${kept}`);
}

function readAddress() {
  const kept = addressed();
  shown.where = Math.max(0, told.places.findIndex((one) => one.label === (kept.get("where") ?? place().label)));
  if (told.metrics.some((one) => one.name === kept.get("metric"))) shown.metric = kept.get("metric");
  if (kept.has("where")) shown.without = new Set(kept.getAll("without"));
  for (const input of document.querySelectorAll("#explorer input"))
    if (kept.has("where")) input.value = kept.get(input.id) ?? input.defaultValue;
  if (!told.engines.some((_, engine) => isShown(engine))) shown.without.clear();
}

// Opens what the target is folded in, and shows it.
function unfold(target) {
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}

function draw() {
  document.getElementById("filter-where").value = place().group;
  const levels = document.getElementById("filter-level");
  levels?.replaceChildren(...inGroup(place().group).map((one) => made("option", { value: one.label }, one.level)));
  if (levels) levels.value = place().label;
  document.getElementById("filter-levels")?.toggleAttribute("hidden", place().level === "");
  document.getElementById("filter-metric").value = shown.metric;
  for (const button of document.querySelectorAll("#filter-engines button"))
    button.setAttribute("aria-pressed", !shown.without.has(button.value));
  // An element without a place is of the engine alone.
  for (const part of document.querySelectorAll("[data-engine]"))
    part.toggleAttribute("hidden",
      shown.without.has(part.dataset.engine) || (part.dataset.where ?? "") !== "" && part.dataset.where !== place().label);
  for (const one of drawers) one();
}

function change(turn) {
  turn();
  keepAddress();
  draw();
}

document.getElementById("filter-where").addEventListener("change", (event) =>
  change(() => {
    const group = inGroup(event.target.value);
    shown.where = told.places.indexOf(group.find((one) => one.level === place().level) ?? group[0]);
  }));
document.getElementById("filter-level")?.addEventListener("change", (event) =>
  change(() => (shown.where = told.places.findIndex((one) => one.label === event.target.value))));
document.getElementById("filter-metric").addEventListener("change", (event) =>
  change(() => (shown.metric = event.target.value)));
document.getElementById("filter-engines").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button === null) return;
  const without = new Set(shown.without);
  if (!without.delete(button.value)) without.add(button.value);
  // At least one engine stays.
  if (told.engines.some((engine) => !without.has(engine.name))) change(() => (shown.without = without));
});
// A link within the page keeps what is chosen, and opens what its target is folded in.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  const target = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  unfold(target);
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
  keepAddress(target.id);
});

function follow() {
  readAddress();
  draw();
  const target = document.getElementById(addressed().get("at"));
  if (target) unfold(target);
}

addEventListener("hashchange", follow);
