"""The recommendation: the advice on the headline cell with what a reader must know of the campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.performance.ranking import headline_cell
from benchmark_runner.statistics.results import Results

QUICK: Final = (
    "This is a quick look; the comprehensive campaign (--configfile config/comprehensive.yaml) adds launches, "
    "workloads and tail percentiles."
)


SYNTHETIC: Final = (
    "The model's weights are synthetic: random numbers in the shape of {shape}. Speed and memory are those of a model "
    "of that shape; the text it generates means nothing."
)


def headline_advice(performance: Mapping[str, Any]) -> Mapping[str, Any]:
    """The advice on the cell that gives the headline latency."""
    cell = headline_cell(performance["headline"], "latency")
    found: Mapping[str, Any] = next(
        one for one in performance["advice"] if (one["workload"], one["case"]) == (cell.workload, cell.case)
    )
    return found


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if not text.endswith(".") else text


def _left_out(performance: Mapping[str, Any]) -> str:
    return " ".join(f"{entry['engine']} is left out: {entry['reason']}." for entry in performance["unranked"])


def _throughput(performance: Mapping[str, Any]) -> str:
    """Names the engine with the highest throughput where another is the fastest."""
    best, fastest = performance["best_throughput"], performance["fastest_engine"]
    if best is None or fastest in (None, best["engine"]):
        return ""
    place = performance["headline"]["throughput"]["workload"]
    return f"In {place} the highest throughput was seen with {best['engine']}."


def recommend(results: Results, performance: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The recommendation of summary.json; model is its entry in the plan."""
    advice = headline_advice(performance)
    parts = [advice["sentence"], _throughput(performance), _left_out(performance)]
    if model["source"]["kind"] == "synthetic":
        parts.append(SYNTHETIC.format(shape=model["source"]["shape"]))
    if results.summary["campaign"]["quick"]:
        parts.append(QUICK)
    return " ".join(_sentence(part) for part in parts if part)
