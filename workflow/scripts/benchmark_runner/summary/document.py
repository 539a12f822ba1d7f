"""summary.json: the figures that people and programs ask for first, and the recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.performance.answer import PARTIAL
from benchmark_runner.performance.ranking import headline_cell
from benchmark_runner.statistics.planned import words_of
from benchmark_runner.statistics.results import Results

SCHEMA_VERSION: Final = 1
NO_SPREAD: Final = "fewer than two ranked engines with a measured spread"
NOTHING: Final = "no engine was measured"
NO_FASTEST: Final = "the data do not separate the engines, or fewer than two finished all their launches"
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


def _throughput(performance: Mapping[str, Any]) -> str:
    """Names the engine with the highest throughput where another is the fastest."""
    best, fastest = performance["best_throughput"], performance["fastest_engine"]
    if best is None or fastest in (None, best["engine"]):
        return ""
    place = performance["headline"]["throughput"]["workload"]
    at = f" {best['load']}" if "load" in best else ""
    return f"In {place} the highest throughput was seen with {best['engine']}{at}."


def limits(campaign: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """What the whole answer is subject to, in sentences: random weights, a quick look, several machines. campaign and
    model are as plan and summary hold them."""
    synthetic = model["source"]["kind"] == "synthetic"
    return [
        *([SYNTHETIC.format(shape=model["source"]["shape"])] if synthetic else []),
        *([QUICK] if campaign["quick"] else []),
        *([joined_words(campaign["joined"])] if "joined" in campaign else []),
    ]


def joined_words(joined: Mapping[str, Any]) -> str:
    """Of a joined campaign, where it was measured and what that means."""
    names = list(dict.fromkeys(name for one in joined["folders"] for name in one["machines"].values()))
    machines = f"{len(names)} machines ({', '.join(names)})" if len(names) > 1 else "one machine"
    words = (
        f"Measured on {machines} in {len(joined['folders'])} campaigns that were joined; engines are compared within "
        "blocks, each on one machine."
    )
    if joined["unlike"] is None:
        return words
    return f"{words} The machines are of unlike kinds, so an engine's own times and costs are those of none of them."


def recommend(results: Results, performance: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The advice on the headline cell after the engines that are out of it, what would decide what is open, and what
    limits it; model is its entry in the plan. What is sure and what is not stands in `answer`, which speaks here
    where nothing is compared, and where the headline cell is one level of a load."""
    found, decide = performance["answer"], performance["answer"]["decide"]
    out = [one["sentence"] for one in found["failed"] if one["status"] != PARTIAL]
    unloaded = not results.load_words(headline_cell(performance["headline"], "latency"))
    compared = len(performance["ranking"]) > 1 and unloaded
    parts = [*out, headline_advice(performance)["sentence"]] if compared else [found["sentence"], found["not_sure"]]
    parts += [f"{decide['sentence']} To measure them: {decide['command']}" if decide else "", _throughput(performance)]
    if (until := results.summary["until"]) is not None:
        parts += words_of(until)
    parts += limits(results.summary["campaign"], model)
    return " ".join(filter(None, parts))


def summary_document(plan: Mapping[str, Any], results: Results, performance: Mapping[str, Any]) -> dict[str, Any]:
    """Content of summary.json; null values have their reason beside them."""
    candidate = performance["fastest_candidate"]
    matrix = performance["comparison_matrix"]
    throughput, gpu = performance["best_throughput"], performance["best_gpu_utilization"]
    consistent = performance["most_consistent"]
    fastest = performance["fastest_engine"]
    nothing = "no engine that was measured can be ranked" if performance["answer"]["measured"] else NOTHING
    no_figure = None if candidate else nothing
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": plan["campaign"],
        "model": plan["model"],
        "headline": performance["headline"],
        "answer": performance["answer"],
        "summary": {
            "fastest_engine": fastest,
            "fastest_engine_reason": None if fastest else no_figure or NO_FASTEST,
            "best_throughput": throughput["tokens_per_s"] if throughput else None,
            "best_throughput_engine": throughput["engine"] if throughput else None,
            **({"best_throughput_load": throughput["load"]} if throughput and "load" in throughput else {}),
            "best_throughput_reason": None if throughput else no_figure or "no throughput was measured",
            "best_latency_ms": matrix[candidate]["latency_ms"] if candidate else None,
            "best_latency_engine": candidate,
            "best_latency_reason": no_figure,
            "most_consistent": consistent["engine"] if consistent else None,
            "most_consistent_reason": None if consistent else NO_SPREAD,
            "best_gpu_utilization": gpu["percent"] if gpu else None,
            "best_gpu_utilization_engine": gpu["engine"] if gpu else None,
            "best_gpu_utilization_reason": performance["best_gpu_utilization_reason"],
            "recommendation": recommend(results, performance, plan["model"]),
        },
        "comparison_matrix": matrix,
        "units": {
            "latency_ms": "ms",
            "throughput": "tokens/s",
            "speedup": "shown latency of the baseline over that of the engine; the answer estimates ratio_to_baseline",
            "best_gpu_utilization": "%",
        },
        "control": results.summary["control"],
        "until": results.summary["until"],
        **({"load": performance["load"]} if "load" in performance else {}),
        "warnings": [one for one in results.summary["warnings"] if one["severity"] != "note"],
    }
