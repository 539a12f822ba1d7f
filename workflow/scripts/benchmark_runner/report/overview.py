"""The first screen: the answer, whether it is a quick look, the key figures, what could be wrong in brief."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.display import milliseconds, significant
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.statistics.planned import each_in_words
from benchmark_runner.summary.document import QUICK, headline_advice

DOUBTS_SHOWN: Final = 3  # more would push the figures off the first screen; the section below has all

NOTHING: Final = {"fastest_engine": "not decided", "best_gpu_utilization": "none measured"}


@dataclass(frozen=True)
class Figure:
    """One key figure: what it is, its value, whose it is or why there is none."""

    label: str
    value: str
    note: str


def answer(inputs: ReportInputs) -> str:
    """The answer in one sentence, or two where it is not decided."""
    return str(headline_advice(inputs.performance)["answer"])


def recommendation(inputs: ReportInputs) -> str:
    """The recommendation of summary.json, less its words on the quick look, which stand in a place of their own."""
    return str(inputs.summary["summary"]["recommendation"]).replace(QUICK, "").strip()


def quick_look(inputs: ReportInputs) -> str | None:
    """What a quick look is and what the comprehensive campaign adds; None where this is no quick look."""
    campaign = inputs.plan["campaign"]
    if not campaign["quick"]:
        return None
    totals = _counts(workload["iterations_total"] for workload in inputs.plan["workloads"])
    text = (
        f"{each_in_words(campaign)} of each engine and {totals} measurements a test case: enough to see "
        "large differences, not small ones or rare slow answers."
    )
    if inputs.comprehensive is None:
        return text
    return f"{text} {_what_more(inputs.plan, inputs.comprehensive)}"


def _what_more(plan: Document, comprehensive: Document) -> str:
    here = {engine["name"] for engine in plan["engines"]}
    more = [engine["name"] for engine in comprehensive["engines"] if engine["name"] not in here]
    parts = [f"{comprehensive['benchmark']['launches']} launches instead of {plan['campaign']['launches']}"]
    counts = _counts(workload["iterations"] for workload in comprehensive["workloads"])
    parts.append(f"{counts} measurements a test case")
    if more:
        parts.append(f"the {'engine' if len(more) == 1 else 'engines'} {', '.join(more)}")
    parts.append(f"the model {comprehensive['benchmark']['model_path'].rstrip('/').rpartition('/')[2]}")
    return f"The comprehensive campaign adds: {'; '.join(parts)}."


def _counts(values: Iterable[int]) -> str:
    """Each of the numbers once, as 100 and 50."""
    return " and ".join(str(value) for value in dict.fromkeys(values))


def key_figures(inputs: ReportInputs) -> list[Figure]:
    """Fastest engine, latency, throughput, consistency, GPU utilisation, each null with its reason."""
    summary, headline = inputs.summary["summary"], inputs.performance["headline"]
    return [
        _figure(summary, "fastest_engine", "Fastest engine", str, _against_baseline(inputs)),
        _figure(
            summary,
            "best_latency_ms",
            f"Lowest latency, {headline['latency']['workload']}",
            milliseconds,
            f"{summary['best_latency_engine']}; a whole request",
        ),
        _figure(
            summary,
            "best_throughput",
            f"Highest throughput, {headline['throughput']['workload']}",
            lambda rate: f"{significant(rate)} tokens/s",
            f"{summary['best_throughput_engine']}; one request at a time",
        ),
        _figure(summary, "most_consistent", "Most consistent", str, _spread(inputs)),
        _figure(
            summary,
            "best_gpu_utilization",
            "Highest GPU utilisation",
            lambda percent: f"{significant(percent)} %",
            str(summary["best_gpu_utilization_engine"]),
        ),
    ]


def _figure(summary: Mapping[str, Any], key: str, label: str, shown: Callable[[Any], str], note: str) -> Figure:
    if summary[key] is None:
        return Figure(label, NOTHING.get(key, "not known"), str(summary[f"{key.removesuffix('_ms')}_reason"]))
    return Figure(label, shown(summary[key]), note)


def _against_baseline(inputs: ReportInputs) -> str:
    fastest, baseline = inputs.summary["summary"]["fastest_engine"], inputs.plan["campaign"]["baseline"]
    speedup = inputs.summary["comparison_matrix"].get(fastest, {}).get("speedup")
    if fastest == baseline or speedup is None:
        return "the baseline itself" if fastest == baseline else ""
    return f"{significant(speedup)} times as fast as {baseline}"


def _spread(inputs: ReportInputs) -> str:
    found = inputs.performance["most_consistent"]
    return "" if found is None else f"its latency varies by {found['cv']:.1%} (CV)"


def doubts(inputs: ReportInputs) -> tuple[list[Document], int]:
    """(the most serious warnings, number of all): notes are left to the section below."""
    warnings: Sequence[Document] = inputs.statistics["warnings"]
    order = {"serious": 0, "warning": 1}
    grave = [warning for warning in warnings if warning["severity"] in order]
    grave.sort(key=lambda warning: order[warning["severity"]])
    return grave[:DOUBTS_SHOWN], len(warnings)
