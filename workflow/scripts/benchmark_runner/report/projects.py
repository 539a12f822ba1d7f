"""The engines as projects: one row each of effort, operation and risk, and folded the facts and the way to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.display import ABSENT, estimate_parts, ratio_text
from benchmark_runner.performance.advice import listed, places_listed
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence
from benchmark_runner.report.tables import Column, Table, TableCell, heads, number, prose, text_or_absent
from benchmark_runner.statistics.levels import PlaceParts
from benchmark_runner.statistics.places import place_of, place_parts
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.samples import label_of

MEASURED: Final = {
    "build_minutes": number("Build", "from nothing"),
    "dependencies": number("Dependencies"),
    "adapter_lines": number("Adapter", "lines of code"),
    "installed_bytes": number("Installed", "without the model"),
    "load_to_first_token_ms": number("Load and first token"),
    "peak_rss_bytes": number("Memory", "peak"),
}


PARTS: Final = ("risk_assessment", "development_effort", "operational_overhead")


def projects(inputs: ReportInputs) -> dict[str, Any]:
    """{table, folds}: folds are {summary, details, path} of each engine."""
    paths = {row["engine"]: row for row in inputs.business["migration_paths"]}
    parts = zip(*(inputs.business[part] for part in PARTS), strict=True)
    engines = [
        _Project(
            risk,
            {**effort["measured"], **operation["measured"]},
            {**risk["facts"], **effort["facts"], **operation["facts"]},
            paths.get(risk["engine"]),
        )
        for risk, effort, operation in parts
    ]
    told = [name for name in MEASURED if any(one.measured[name]["value"] is not None for one in engines)]
    columns = heads(Column("Engine", hint="version measured"), "Licence", Column("Effort", hint="from the baseline"))
    columns += [*(MEASURED[name] for name in told), Column("Facts")]
    caption = (
        f"What it takes to adopt and run each engine; the softer line is the {inputs.level} interval or the reason"
    )
    return {
        "table": Table(caption, columns, [_row(inputs, one, told) for one in engines]),
        "folds": [_fold(inputs, one) for one in engines],
    }


@dataclass(frozen=True)
class _Project:
    """What the business document says of one engine; path is None for the baseline."""

    risk: Document
    measured: Document
    facts: Document
    path: Document | None


def _row(inputs: ReportInputs, one: _Project, told: Sequence[str]) -> list[TableCell]:
    effort = TableCell("the baseline")
    if one.path is not None:
        found = one.path["effort"]
        effort = TableCell(found["class"] or ABSENT, "; ".join(found["because"]) or found["reason"])
    name = one.risk["engine"]
    return [
        TableCell(name, one.risk["measured_version"], sign=inputs.signs.get(name)),
        TableCell(one.facts["licence"]["value"] or "unknown"),
        effort,
        *(_figure_cell(one.measured[figure]) for figure in told),
        TableCell(_counts(one.facts)),
    ]


def _counts(facts: Document) -> str:
    """How many facts are known, and how many of those were read of another version."""
    known = [fact for fact in facts.values() if fact["value"] is not None]
    other = sum(fact["note"] is not None for fact in known)
    return f"{len(known)} of {len(facts)} known" + (f", {other} of another version than measured" if other else "")


def _figure_cell(figure: Document) -> TableCell:
    """A measured figure; the fold says why one is missing."""
    if figure["value"] is None:
        return TableCell(ABSENT)
    if figure["unit"] in ("lines", "packages"):
        return TableCell(f"{figure['value']:,}", value=figure["value"])
    text, span = estimate_parts({"point": figure["value"], **figure}, figure["unit"])
    return TableCell(text, span, figure["value"])


def _fold(inputs: ReportInputs, one: _Project) -> dict[str, Any]:
    """All that is known of one engine with where it is from, and the way to it from the baseline."""
    columns = heads("What", prose("What is known"), "As of", prose("Source"))
    rows = [
        [
            TableCell(name.replace("_", " ")),
            TableCell(fact.get("reason", "unknown") if fact["value"] is None else str(fact["value"]), fact["note"]),
            text_or_absent(fact["as_of"]),
            text_or_absent(fact["source"]),
        ]
        for name, fact in one.facts.items()
    ]
    for name, figure in one.measured.items():
        cell = _figure_cell(figure)
        known = (
            TableCell(f"not known: {figure['reason']}") if figure["value"] is None else TableCell(cell.text, cell.below)
        )
        rows.append([TableCell(label_of(name)), known, TableCell("measured here"), TableCell(figure["origin"])])
    name, path = one.risk["engine"], one.path
    summary = f"{name}: {one.risk['project'] or 'a project that the facts do not know'}"
    return {
        "summary": f"{summary}, {'facts' if path is None else 'the way to it and facts'} with their sources",
        "details": Table(f"Facts and figures of {name}", columns, rows),
        "path": None if path is None else _path(inputs, path),
    }


def _path(inputs: ReportInputs, path: Document) -> dict[str, Any]:
    """The way to an engine: {heading, words, steps}."""
    gains = [gain_words(inputs, gain) for gain in path["gain"]]
    lost = losses(inputs, path)
    unsure = [name.replace("_", " ") for name in path["features_not_compared"]]
    checked = path["validation"]
    words = [
        *(leads(inputs, path["engine"]) or ["Leads in no test case"]),
        *(f"Gain: {gain}" for gain in gains),
        f"Effort: {path['effort']['class'] or path['effort']['reason']} ({path['effort']['rule']})",
        f"Weights: {path['weights']['format']}",
        f"Lost: {'; '.join(lost)}" if lost else "Nothing is known to be lost",
        *([f"Not compared: {', '.join(unsure)}"] if unsure else []),
        f"Validation: {checked['result']}" + (f", {checked['detail']}" if checked["detail"] else ""),
    ]
    return {
        "heading": f"From {path['baseline']} to {path['engine']}",
        "words": [as_sentence(text, inputs) for text in words],
        "steps": path["steps"],
    }


def losses(inputs: ReportInputs, path: Document) -> list[str]:
    """What the baseline has and the engine lacks: features, and loads and test cases that it does not serve."""
    before, after = (_unserved(inputs, inputs.results.engines[path[name]]) for name in ("baseline", "engine"))
    features = [f"{one['kind']}: {', '.join(one['items'])}" for one in path["features_lost"]]
    return [*features, *(f"{load} ({why})" for load, why in after.items() if load not in before)]


def _unserved(inputs: ReportInputs, engine: Document) -> dict[str, str]:
    """Workloads and test cases that an engine cannot serve, with the reason."""
    cases = engine.get("not_asked", {}).items()
    told = {inputs.places[workload, case]: why for workload, reasons in cases for case, why in reasons.items()}
    return {**engine.get("refused_loads", {}), **told}


def leads(inputs: ReportInputs, engine: str) -> list[str]:
    """Where an engine leads, those test cases together in which it does so alone or beside the same others."""
    places: dict[tuple[str, ...], list[PlaceParts]] = {}
    for cell in inputs.summary["answer"]["workloads"]:
        if engine in cell["leading"]:
            others = tuple(name for name in cell["leading"] if name != engine)
            places.setdefault(others, []).append(place_parts(inputs.results, Cell(cell["workload"], cell["case"])))
    return [
        f"{f'In the leading group with {listed(others)}' if others else 'Leads'} in {places_listed(where)}"
        for others, where in places.items()
    ]


def gain_words(inputs: ReportInputs, gain: Document) -> str:
    """How many times as fast as the baseline in one test case, with its verdict, or why that is not known."""
    where = place_of(inputs.results, Cell(gain["workload"], gain["case"]))
    if gain["ratio_to_baseline"] is None:
        return f"not known in {where}: {gain['reason']}"
    low, high = gain["ratio_interval"] or (None, None)
    ratio = ratio_text({"point": gain["ratio_to_baseline"], "low": low, "high": high})
    verdict = (gain["verdict"] or "").replace("_", " ")
    if gain["ratio_to_baseline"] < 1.0:  # the verdict is about the pair, the sentence about this engine
        verdict = verdict.replace("faster", "slower")
    return ", ".join(filter(None, (f"{ratio} the baseline's speed in {where}", verdict)))
