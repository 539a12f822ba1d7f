"""The pair matrix as data: each comparison of two engines, for the page to show row against column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence

DIGITS: Final = 6  # more than the page shows, so that 1 over a ratio reads as it would from all of them

MOST_SENTENCES: Final = (
    1_500  # a page of more grows beyond 3 MB; those of other metrics than the primary one are left out
)


def rounded(value: float | None) -> float | None:
    """A number with as many digits as the page needs."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def pair_groups(inputs: ReportInputs) -> list[dict[str, Any]]:
    """A group a workload, case and metric: {workload, case, metric, pairs}; a metric that nobody measured has none.

    A pair is [engine, reference, ratio, low, high, verdict, faster, sentence], engines by their place in
    inputs.engines; a ratio above 1 says that the engine is better than the reference. The sentence is null where there
    are too many.
    """
    groups: dict[tuple[str, str | None, str], list[Document]] = {}
    for one in inputs.statistics["comparisons"]:
        if one["kind"] != "control":
            groups.setdefault((one["workload"], one["case"], one["metric"]), []).append(one)
    places = {engine["name"]: place for place, engine in enumerate(inputs.engines)}
    told = {
        key: found
        for key, found in groups.items()
        if any(one["ratio"] is not None or one["kind"] == "primary" for one in found)
    }
    all_sentences = sum(map(len, told.values())) <= MOST_SENTENCES
    return [
        {
            "workload": workload,
            "case": case,
            "metric": metric,
            "pairs": [_pair(inputs, places, one, all_sentences or one["kind"] == "primary") for one in found],
        }
        for (workload, case, metric), found in told.items()
    ]


def _pair(inputs: ReportInputs, places: dict[str, int], one: Document, in_words: bool) -> Sequence[Any]:
    ratio = one["ratio"] or {"point": None, "low": None, "high": None}
    return [
        places[one["engine"]],
        places[one["reference"]],
        *(rounded(ratio[key]) for key in ("point", "low", "high")),
        one["verdict"],
        None if one["faster"] is None else places[one["faster"]],
        as_sentence(one["sentence"], inputs) if in_words else None,
    ]
