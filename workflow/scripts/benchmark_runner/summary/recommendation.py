"""What to do, in one paragraph: who is fastest, or what it would take to know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.display import plural
from benchmark_runner.performance.ranking import LATENCY, headline_cell
from benchmark_runner.statistics.cautions import CHANCE_OF_ALARM
from benchmark_runner.statistics.results import Results

QUICK: Final = (
    "This is a quick look; the comprehensive campaign (--configfile config/comprehensive.yaml) adds launches, "
    "workloads and tail percentiles."
)


SYNTHETIC: Final = (
    "The model's weights are synthetic: random numbers in the shape of {shape}. Speed and memory are those of a model "
    "of that shape; the text it generates means nothing."
)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if not text.endswith(".") else text


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _left_out(performance: Mapping[str, Any]) -> str:
    return " ".join(f"{entry['engine']} is left out: {entry['reason']}." for entry in performance["unranked"])


def _told(one: Mapping[str, Any]) -> str:
    """Sentence of a verdict with the settings that differ between the two."""
    return f"{one['sentence']} ({one['footnote']})" if one["footnote"] else str(one["sentence"])


def _distance(one: Mapping[str, Any]) -> float:
    """How far apart the two engines were seen; nothing seen is no distance."""
    return abs(math.log(one["ratio"]["point"])) if one["ratio"] else 0.0


def _certain(results: Results, performance: Mapping[str, Any]) -> str:
    """The fastest engine with the verdict against the nearest rival, and the highest throughput if it is another's."""
    fastest = performance["fastest_engine"]
    cell = headline_cell(performance["headline"], "latency")
    others = [entry["engine"] for entry in performance["ranking"] if entry["engine"] != fastest]
    against = {other: results.between(fastest, other, cell, LATENCY) for other in others}
    known = {other: one for other, one in against.items() if one is not None}
    nearest = min(known, key=lambda other: _distance(known[other]))
    words = [f"Take {fastest} for the shortest answers in {cell.workload}: {_told(known[nearest])}."]
    further = [other for other in others if other != nearest]
    if further:
        words.append(f"It is further ahead of {_listed(further)}, as certainly.")
    best = performance["best_throughput"]
    if best is not None and best["engine"] != fastest:
        place = performance["headline"]["throughput"]["workload"]
        words.append(f"In {place} the highest throughput was seen with {best['engine']}.")
    return " ".join(words)


def _what_it_takes(comparisons: list[Mapping[str, Any]], launches: int) -> str:
    """What would separate engines that are not: more launches, another setting, or nothing since they are equal."""
    if all(one["verdict"] == "equivalent" for one in comparisons):
        return "They are the same within the margin, so choose by memory, cost or features."
    open_pairs = [one for one in comparisons if one["verdict"] != "equivalent"]
    needed = [one["launches_needed"] for one in open_pairs if one["launches_needed"] is not None]
    if "control_differs" in {mark for one in comparisons for mark in one["qualifiers"]}:
        return f"{CHANCE_OF_ALARM}."
    if any(one["reason"] is not None and one["launches_needed"] is None for one in open_pairs):
        return "More launches would not change that."
    if len(needed) < len(open_pairs):
        return "No affordable number of launches would separate a difference as small as the one seen."
    return (
        f"About {plural(max(*needed, launches + 1), 'launch')} each instead of {launches} would separate a difference "
        "of the size seen with 80 % power: raise benchmark.launches."
    )


def _undecided(results: Results, performance: Mapping[str, Any]) -> str:
    candidate, rivals = performance["fastest_candidate"], performance["not_separated_from_candidate"]
    cell = headline_cell(performance["headline"], "latency")
    found = [results.between(candidate, rival, cell, LATENCY) for rival in rivals]
    comparisons = [one for one in found if one is not None]
    beaten = [one["engine"] for one in performance["ranking"] if one["engine"] not in (candidate, *rivals)]
    ahead = f"{candidate} is faster than {_listed(beaten)}. " if beaten else ""
    # With several rivals their verdicts would fill the page; the table of verdicts has each.
    reason = f": {_told(comparisons[0])}" if len(comparisons) == 1 else ""
    doubt = f"The data do not say whether {candidate} is faster than {_listed(rivals)} in {cell.workload}{reason}."
    return f"{ahead}{doubt} {_what_it_takes(comparisons, int(results.summary['campaign']['launches']))}"


def recommend(results: Results, performance: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The recommendation of summary.json; model is its entry in the plan."""
    ranked = [entry["engine"] for entry in performance["ranking"]]
    if not ranked:
        words = "No engine was measured."
    elif len(ranked) == 1:
        words = f"Only {ranked[0]} was measured, so there is nothing to compare it with."
    elif performance["fastest_engine"] is not None:
        words = _certain(results, performance)
    else:
        words = _undecided(results, performance)
    parts = [words, _left_out(performance)]
    if model["source"]["kind"] == "synthetic":
        parts.append(SYNTHETIC.format(shape=model["source"]["shape"]))
    if results.summary["campaign"]["quick"]:
        parts.append(QUICK)
    return " ".join(_sentence(part) for part in parts if part)
