"""The table of performance tiers: which engine keeps which, under load up to which level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import engine_cell
from benchmark_runner.report.tables import Column, Table, TableCell, heads
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell

LIMITS: Final = {
    "ttft_ms": "first token within {:g} ms",
    "tpot_ms": "each further token within {:g} ms",
    "total_tokens_per_s": "at least {:g} tokens/s",
}
"""Limits of business.tiers, for people."""


def tiers(inputs: ReportInputs) -> Table:
    """A row an engine and workload, under load one for all its levels up to the first at which it cannot be ranked."""
    found, results = inputs.business["performance_tiers"], inputs.results
    columns = heads("Engine", "Workload")
    columns += [
        Column(tier.capitalize(), hint=_words(limits)) for tier, limits in found["thresholds"].items() if limits
    ]
    judged = {(row["engine"], Cell(row["workload"], row["case"])): row for row in found["engines"] if row["limits"]}
    rows = []
    for engine, cell in judged:
        levels = results.levels_beside(cell) or [cell]
        if cell == levels[0]:
            reasons = [results.unranked(level, "e2e_ms").get(engine) for level in levels]
            ranked = [level for level, _ in takewhile(lambda one: one[1] is None, zip(levels, reasons, strict=True))]
            here = [judged[engine, level] for level in ranked if (engine, level) in judged]
            words = results.load_words(cell)
            place = place_of(results, cell).removesuffix(words).strip()
            why = ": ".join(filter(None, (words, reasons[0])))
            kept = [
                _kept(here, tier) if here else TableCell("not ranked", why, tone="bad")
                for tier, limits in found["thresholds"].items()
                if limits
            ]
            rows.append([engine_cell(inputs, engine), TableCell(place), *kept])
    return Table(f"Tiers: {found['note']}", columns, rows, empty="business.tiers sets no limit.")


def _words(limits: Document) -> str:
    return ", ".join(LIMITS[name].format(limit) for name, limit in limits.items())


def _kept(levels: Sequence[Document], tier: str) -> TableCell:
    """Whether an engine keeps a tier; levels are rows from the lowest level of a load on, or the only one."""
    results = [{one["result"] for one in row["limits"] if one["tier"] == tier} for row in levels]
    kept = [row for row, _ in takewhile(lambda one: one[1] == {"kept"}, zip(levels, results, strict=True))]
    if kept:
        return TableCell(f"kept {kept[-1].get('load', '')}".strip(), tone="sure")
    missed = "missed" in results[0]
    return TableCell("missed" if missed else "not shown", levels[0].get("load"), tone="bad" if missed else "open")
