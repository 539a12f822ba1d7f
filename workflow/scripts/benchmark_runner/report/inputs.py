"""What the report is made from: the campaign's files, read once, and the words of workflow/report/wording.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmark_runner.configuration.data_files import read_map
from benchmark_runner.display import percent
from benchmark_runner.namedfile import RESTORED
from benchmark_runner.plots.signs import Sign, engine_signs, in_order
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell, Results

Document = Mapping[str, Any]

TEMPLATE_FOLDER: Final = Path(__file__).resolve().parents[3] / "report"


@cache
def wording() -> dict[str, Any]:
    """Legends, captions and the glossary."""
    content: dict[str, Any] = read_map(TEMPLATE_FOLDER / "wording.yaml", RESTORED)
    return content


@dataclass(frozen=True)
class ReportInputs:
    """Documents of one campaign; comprehensive is the resolved configuration that a quick look points to, or None."""

    plan: Document
    summary: Document
    statistics: Document
    performance: Document
    business: Document
    environment: Document
    iterations: pd.DataFrame
    samples: Path
    """metrics.parquet, of which a few launches are drawn."""
    first_requests: Sequence[Document]
    fidelity: tuple[Document, ...]
    raw: tuple[Document, ...]
    reproduction: str
    comprehensive: Document | None

    @cached_property
    def signs(self) -> dict[str, Sign]:
        """Colour and mark of each engine, the same as in the plots."""
        return engine_signs(self.statistics["engines"])

    @cached_property
    def engines(self) -> list[Document]:
        """Engines of the statistics, each control after its twin."""
        return in_order(self.statistics["engines"])

    @cached_property
    def results(self) -> Results:
        """The statistics, indexed; its estimates are those that summary.json shows."""
        return Results(self.statistics)

    @cached_property
    def places(self) -> dict[tuple[str, str], str]:
        """Name for people of each test case of the plan, by workload and case."""
        cells = [Cell(one["name"], case["name"]) for one in self.plan["workloads"] for case in one["cases"]]
        return {(cell.workload, str(cell.case)): place_of(self.results, cell) for cell in cells}

    @cached_property
    def records(self) -> list[Document]:
        """Records of all launches in the order in which they ran."""
        found = [record for document in self.raw for record in document["launches"]]
        return sorted(found, key=lambda record: str(record["started_at"]))

    @cached_property
    def loaded_workloads(self) -> frozenset[str]:
        """Names of the workloads that have levels of load."""
        return frozenset(grid.workload for grid in self.results.grids)

    @property
    def level(self) -> str:
        """The confidence level in words."""
        return f"{percent(self.statistics['settings']['confidence_level'])}"
