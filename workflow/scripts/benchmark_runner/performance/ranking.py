"""The headline figures and who is fastest, or why nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmark_runner.statistics.levels import grids
from benchmark_runner.statistics.results import Cell, Results

LATENCY: Final = "e2e_ms"
THROUGHPUT: Final = "total_tokens_per_s"
OUTPUT: Final = "output_tokens_per_s"
GPU_METRIC: Final = "gpu_utilization_percent"


_HEADLINE: Final = {
    "latency": ("latency_test", LATENCY, "ms"),
    "throughput": ("throughput_test", THROUGHPUT, "tokens/s"),
}
"""By headline figure: the workload that usually gives it, metric and unit."""


def choose_headline(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Which cell gives each headline figure and by which rule.

    The configured workload, else latency_test and throughput_test, else the first; of it the first test case, since an
    average over unlike requests is the time of none.
    """
    workloads = {entry["name"]: entry for entry in plan["workloads"]}
    found = {}
    for figure, (usual, metric, unit) in _HEADLINE.items():
        key = f"{figure}_workload"
        name = (plan["campaign"].get("headline") or {}).get(key)
        rule = f"the configuration's benchmark.headline.{key}"
        if name not in workloads:
            name, rule = usual, f"the workload called {usual}"
        if name not in workloads:
            name, rule = next(iter(workloads)), f"the first workload, as none is called {usual}"
        cases = workloads[name]["cases"]
        case, load, figures = cases[0]["name"], cases[0].get("load"), metric
        if len(cases) > 1:
            rule += f", its first test case of {len(cases)}"
        if load and figure == "throughput":
            grid = grids({(workloads[name]["name"], one["name"]): one["load"] for one in cases})[0]
            case, rule, figures = grid.cases[grid.levels[-1]], f"{rule}, at its highest level of load", OUTPUT
        found[figure] = {
            "workload": name,
            "case": case,
            "metric": figures,
            "unit": unit,
            "choice_rule": rule,
        }
    return found


def headline_cell(headline: Mapping[str, Any], figure: str) -> Cell:
    """The cell of a headline figure (latency or throughput)."""
    return Cell(headline[figure]["workload"], headline[figure]["case"])


def comparison_matrix(results: Results, latency: Cell, throughput: Cell) -> dict[str, dict[str, Any]]:
    """Headline figures of each engine; speedup is the baseline's latency over the engine's, 1.0 for the baseline."""
    unranked = results.unranked(latency, LATENCY)
    matrix = {}
    for name in results.engines:
        own = results.estimate(name, latency, LATENCY)
        rate = results.estimate(name, throughput, results.throughput(throughput))
        matrix[name] = {
            "latency_ms": own["point"] if own else None,
            "throughput": rate["point"] if rate else None,
            "speedup": results.speedup(name, latency, LATENCY),
            "latency_interval": own,
            "throughput_interval": rate,
            "ranked": name not in unranked,
            "lost_launches": results.lost(name, latency.workload),
            "reason": unranked.get(name),
        }
    return matrix


class Standing(NamedTuple):
    """Engines in one cell: ranked by latency, those that lost launches behind the others; what these lost; the fastest
    engine where that is certain, the rivals that keep the first from being it, and the leading group: the engines that
    no other is confirmed to beat. With the certainty of the verdicts it holds the one that is truly best."""

    ranked: list[str]
    lost: Mapping[str, str]
    fastest: str | None
    rivals: list[str]
    leading: list[str]

    @property
    def reliable(self) -> list[str]:
        """Ranked engines that lost no launch."""
        return [name for name in self.ranked if name not in self.lost]


def standing(results: Results, cell: Cell) -> Standing:
    """Who is ahead in a cell and whether that is certain.

    The first is the fastest only when it lost no launch, another engine lost none either, and its verdict against every
    such engine is certain. What an engine shows that lost launches are the times of those that survived.
    """
    unranked = results.unranked(cell, LATENCY)
    latencies = {name: results.point(name, cell, LATENCY) for name in results.engines if name not in unranked}
    lost = {name: words for name in latencies if (words := results.lost(name, cell.workload))}
    known = {name: value for name, value in latencies.items() if value is not None}
    ranked = sorted(known, key=lambda name: (name in lost, known[name]))
    reliable = [name for name in ranked if name not in lost]
    rivals = [other for other in reliable[1:] if not results.is_faster(reliable[0], other, cell, LATENCY)]
    fastest = reliable[0] if len(reliable) > 1 and not rivals else None
    beaten = {name for name in reliable for other in reliable if results.is_faster(other, name, cell, LATENCY)}
    leading = [name for name in reliable if name not in beaten] if len(reliable) > 1 else []
    return Standing(ranked, lost, fastest, rivals, leading)


def rank(results: Results, matrix: Mapping[str, Mapping[str, Any]], now: Standing, cell: Cell) -> list[dict[str, Any]]:
    """Ranked engines, each with those that the data do not separate from it and what launches it lost."""
    return [
        {
            "engine": name,
            "latency_ms": matrix[name]["latency_ms"],
            "throughput": matrix[name]["throughput"],
            "tied_with": [
                other for other in now.ranked if other != name and not results.separated(name, other, cell, LATENCY)
            ],
            "lost_launches": now.lost.get(name),
        }
        for name in now.ranked
    ]


def most_consistent(results: Results, names: list[str], cell: Cell) -> dict[str, Any] | None:
    """Engine whose latency varies least: the smallest of the larger of CV within and between launches. Descriptive."""
    spreads = {}
    for name in names:
        numbers = results.metric(name, cell, LATENCY)
        known = [value for value in (numbers["cv_within"], numbers["cv_between"]) if value is not None]
        if known:
            spreads[name] = max(known)
    if len(spreads) < 2:
        return None
    best = min(spreads, key=lambda name: spreads[name])
    return {"engine": best, "cv": spreads[best]}


def best_by_throughput(results: Results, names: Sequence[str], throughput: Cell) -> dict[str, Any] | None:
    """The engine among these with the highest throughput and that figure, under load with the level at which it is
    highest of those that all of them were asked for; says nothing about certainty."""
    levels = results.levels_beside(throughput) or [throughput]
    of_all = [cell for cell in levels if not any(results.why_not_served(name, cell) for name in names)]
    cells = of_all or levels
    known = {
        (name, cell): rate
        for name in names
        for cell in cells
        if (rate := results.point(name, cell, results.throughput(cell))) is not None
    }
    if not known:
        return None
    best, cell = max(known, key=lambda key: known[key])
    words = results.load_words(cell)
    return {"engine": best, "tokens_per_s": known[best, cell], **({"load": words} if words else {})}


def gpu_utilisation(results: Results, names: list[str], workload: str) -> tuple[dict[str, Any] | None, str | None]:
    """(engine with the highest mean GPU utilisation on a workload and that mean, reason where there is none)."""
    found = {name: results.metric(name, Cell(workload, None), GPU_METRIC) for name in names}
    means = {name: numbers["mean"] for name, numbers in found.items() if numbers["mean"] is not None}
    if not means:
        return None, "; ".join(
            dict.fromkeys(numbers["reason"] for numbers in found.values())
        ) or "no launch was monitored"
    best = max(means, key=lambda name: means[name])
    return {"engine": best, "percent": means[best]}, None
