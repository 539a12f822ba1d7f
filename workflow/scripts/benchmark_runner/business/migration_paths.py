"""migration_paths: what going from the baseline to another engine takes, gains and loses, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.business.engines import MeasuredEngine
from benchmark_runner.checked import PASS
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell

LOSABLE: Final = (
    "languages",
    "platforms",
    "formats",
    "backends",
    "quantisation",
    "batching",
    "server",
    "observability",
)
"""Facts whose items the baseline may have and another engine may lack."""

EFFORT_RULE: Final = (
    "one point each where the engine has no interface in the language of the baseline's adapter, where the weights "
    "have to be converted, and where the model's code has to be written; 0 points: small, 1: medium, 2 or 3: large"
)
_CLASSES: Final = ("small", "medium", "large", "large")


def migration_path(baseline: MeasuredEngine, engine: MeasuredEngine, fidelity: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one engine; fidelity is {result, detail} of its comparison with the reference."""
    gains = list(_gains(engine))
    facts = engine.facts(("api", "model_code", "formats", "converter", "languages"))
    points, unsure = _effort_points(baseline, facts)
    planned = next(one for one in engine.inputs.plan["engines"] if one["name"] == engine.name)
    lost, not_compared = _lost(baseline, engine)
    return engine.row(
        baseline=baseline.name,
        leads_in=[
            place_of(engine.inputs.results, Cell(gain["workload"], gain["case"])) for gain in gains if gain["leading"]
        ],
        weights={
            "format": planned.get("weights_format") or "safetensors",
            "formats": facts["formats"],
            "converter": facts["converter"],
        },
        api_change={"from": baseline.facts(["api"])["api"], "to": facts["api"]},
        features_lost=lost,
        features_not_compared=not_compared,
        validation=dict(fidelity),
        gain=gains,
        effort={
            "class": None if unsure else _CLASSES[len(points)],
            "because": points,
            "rule": EFFORT_RULE,
            "reason": f"not known: {', '.join(unsure)}" if unsure else None,
        },
        steps=list(_steps(baseline, engine, facts, fidelity)),
    )


def _gains(engine: MeasuredEngine) -> Iterator[dict[str, Any]]:
    """How many times as fast as the baseline in each test case, by the campaign's answer."""
    for cell in engine.inputs.performance["answer"]["workloads"]:
        for row in cell["engines"]:
            if row["engine"] == engine.name:
                ratio = row["ratio_to_baseline"]
                yield {
                    **{key: cell[key] for key in ("workload", "case", "metric")},
                    **{key: row[key] for key in ("leading", "ratio_to_baseline", "ratio_interval")},
                    "verdict": row["verdict_to_baseline"],
                    "reason": None if ratio is not None else row["reason"] or "no ratio could be computed",
                }


def _items(facts: Mapping[str, Mapping[str, Any]], name: str) -> Sequence[str] | None:
    items: Sequence[str] | None = facts[name].get("items")
    return items


def _effort_points(baseline: MeasuredEngine, facts: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """(what counts a point, which facts are not known)."""
    language = str((baseline.build or {}).get("language") or "python").capitalize()
    asked = {
        "languages": (f"no interface in {language}", language, False),
        "formats": ("the weights have to be converted", "safetensors", False),
        "model_code": ("the model's code has to be written", "own", True),
    }
    found = {name: _items(facts, name) for name in asked}
    points = [
        words
        for name, (words, item, counts_if_there) in asked.items()
        if (items := found[name]) is not None and (item in items) == counts_if_there
    ]
    return points, [name.replace("_", " ") for name, items in found.items() if items is None]


def _lost(baseline: MeasuredEngine, engine: MeasuredEngine) -> tuple[list[dict[str, Any]], list[str]]:
    """(what the baseline has and the engine lacks, by kind; kinds of which one side is not known)."""
    has, other, lost, unsure = baseline.facts(LOSABLE), engine.facts(LOSABLE), [], []
    for name in LOSABLE:
        before, after = _items(has, name), _items(other, name)
        if before is None or after is None:
            unsure.append(name)
        elif missing := [item for item in before if item not in after]:
            lost.append({"kind": name, "items": missing})
    return lost, unsure


def _steps(
    baseline: MeasuredEngine,
    engine: MeasuredEngine,
    facts: Mapping[str, Mapping[str, Any]],
    fidelity: Mapping[str, Any],
) -> Iterator[str]:
    """The order in which to go, each step in a sentence."""
    result = str(fidelity["result"])
    agreed = "as they did here" if result == PASS else f"here the result was: {result}; settle that first"
    pinned = ", ".join(f"{name} {engine.packages[name]}" for name in _named_packages(engine))
    yield f"Pin what was measured: {pinned or 'the version that its build record names'}."
    if (formats := _items(facts, "formats")) is not None and "safetensors" not in formats:
        yield f"Convert the weights: {facts['converter']['value'] or 'with which program is not known'}."
    if "own" in (_items(facts, "model_code") or ()):
        yield f"Write the model's code: {facts['model_code']['value']}."
    yield f"Replace the calls of {baseline.name}: {facts['api']['value'] or 'its interface is not known'}."
    yield f"Compare the tokens of your own prompts with those of {baseline.name}, {agreed}."
    yield "Measure again on the machine and with the prompts of production: make run with your configuration."
    yield f"Give {engine.name} a small share of the traffic, then more; keep {baseline.name} until it carries all."


def _named_packages(engine: MeasuredEngine) -> list[str]:
    """Packages that the facts of the engine speak of and that its build holds."""
    facts = engine.project["facts"].values() if engine.project else ()
    return sorted({name for fact in facts for name in fact.get("of", {}) if name in engine.packages})
