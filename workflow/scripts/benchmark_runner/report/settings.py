"""Tables of the settings under which the engines computed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.tables import Column, Table, TableCell
from benchmark_runner.statistics.settings import alike_workloads, shown


def tables(inputs: ReportInputs) -> list[Table]:
    """A table for all workloads in which the settings are the same: a row a setting, a column an engine."""
    by_workload = inputs.statistics["engine_settings"]
    return [_table(workloads, settings) for workloads, settings in alike_workloads(by_workload)]


def _table(workloads: Sequence[str], settings: Sequence[Document]) -> Table:
    engines = list(settings[0]["values"])
    columns = [Column("Setting"), Column("Alike"), *(Column(engine) for engine in engines)]
    rows = [
        [
            TableCell(entry["label"], entry["source"]),
            _likeness(entry),
            *(TableCell(shown(entry["values"][engine])) for engine in engines),
        ]
        for entry in settings
    ]
    return Table(f"Settings in {', '.join(workloads)}", columns, rows)


def _likeness(entry: Document) -> TableCell:
    """Whether engines differ; where one does not tell its value, no more is said than that of the others."""
    values = entry["values"].values()
    if entry["differs"]:
        return TableCell("differs", tone="perhaps")
    if None in values:
        return TableCell("not known of all", tone="open")
    return TableCell("same", tone="sure") if len(set(values)) == 1 else TableCell("counted above", tone="open")
