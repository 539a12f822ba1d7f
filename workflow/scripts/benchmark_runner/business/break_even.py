"""How many times as much a machine may cost for equal cost per token: the ratio of throughputs."""

from __future__ import annotations

from typing import Any

from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.display import number_pair, percent, significant
from benchmark_runner.statistics.levels import NO_LEVEL
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import QUALIFIERS, SHOWN


def break_even(inputs: BusinessInputs) -> list[dict[str, Any]]:
    """How many times the baseline's price an engine's machine may cost for equal cost per token; needs no price.

    Under load each engine counts at the highest level that keeps the limits.
    """
    headline = inputs.performance["headline"]["throughput"]
    results, cell = inputs.results, Cell(headline["workload"], headline["case"])
    return [
        _row(results, one["engine"], one["reference"], cell)
        for one in results.comparisons(cell, results.throughput(cell))
        if one["reference"] == results.baseline
    ]


def _row(results: Results, engine: str, reference: str, headline: Cell) -> dict[str, Any]:
    held = {name: results.levels_at_limits(name, headline) for name in (engine, reference)}
    row = {"engine": engine, "reference": reference, "workload": headline.workload, "case": headline.case}
    none = {"ratio": None, "verdict": None, "sentence": None}
    if without := [name for name, cells in held.items() if not cells]:
        return row | none | {"reason": f"{without[0]}: {NO_LEVEL}"}
    own, other = held[engine][0], held[reference][0]
    if own != other:
        return row | none | _across(results, (engine, own), (reference, other))
    found = results.between(engine, reference, own, results.throughput(own))
    assert found is not None
    reason = None if found["ratio"] else found["reason"] or "no ratio could be computed"
    told = {"ratio": found["ratio"], "verdict": found["verdict"], "sentence": _sentence(results, own, found)}
    return row | {"case": own.case, "reason": reason} | told


def _across(results: Results, own: tuple[str, Cell], other: tuple[str, Cell]) -> dict[str, Any]:
    """The ratio of two engines at different levels, by the t interval of the log ratios of their shared blocks; it is
    no comparison of the campaign, so it has no verdict."""
    import numpy as np  # half a second, with what computes intervals, that few campaigns need to spend

    from benchmark_runner.statistics.hypotheses import paired_log_ratio

    metric = results.throughput(own[1])
    sides = [
        {one["block"]: one["value"] for one in results.metric(name, cell, metric)["launch_medians"]}
        for name, cell in (own, other)
    ]
    blocks = sorted(sides[0].keys() & sides[1].keys())
    values = np.array([[side[block] for block in blocks] for side in sides])
    if len(blocks) < 2 or not bool(np.all(values > 0.0)):
        return {"reason": "fewer than two blocks have both engines at their levels"}
    ratio = paired_log_ratio(np.log(values[0] / values[1])).estimate(results.summary["settings"]["confidence_level"])
    levels = [f"{name} {results.load_words(cell)}" for name, cell in (own, other)]
    price = _price({"engine": own[0], "reference": other[0], "ratio": ratio.to_json()})
    return {
        "ratio": ratio.to_json(),
        "sentence": f"{price}; each at the highest level that keeps the limits, {' and '.join(levels)}.",
        "reason": None,
    }


def _sentence(results: Results, cell: Cell, comparison: Json) -> str | None:
    """The ratio as a price with its level of load, whether it is confirmed, and what limits the verdict on it."""
    if comparison["ratio"] is None:
        return None
    price = " ".join(filter(None, [_price(comparison), results.load_words(cell)]))
    doubt = [] if comparison["verdict"] in SHOWN else ["not confirmed"]
    limits = [words for name, words in comparison["qualifier_words"].items() if QUALIFIERS[name].in_sentence]
    return "; ".join([price, *doubt, *limits]) + "."


def _price(comparison: Json) -> str:
    ratio = comparison["ratio"]
    low, high = number_pair(ratio["low"], ratio["high"])
    return (
        f"A token of {comparison['engine']} costs as much as one of {comparison['reference']} when its machine costs "
        f"{significant(ratio['point'])} times as much an hour ({percent(ratio['level'])} interval {low} to {high})"
    )
