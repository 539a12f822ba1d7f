"""Launches and single requests over time, as data for the page to draw."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from benchmark_runner.records.table import launch_tables
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.pairs import rounded
from benchmark_runner.statistics.disturbances import is_disturbed
from benchmark_runner.statistics.metrics import PRIMARY
from benchmark_runner.units import NS_PER_MS

REQUEST_COLUMNS: Final = ("case", "start_ns", "e2e_ms", "ttft_ms", "itl_ms")
MOST_TOKENS: Final = 300  # of a request; of a longer one every second, third, … is drawn, and the page says so
LONGEST_PAUSE_S: Final = 60.0  # between two launches; a longer one is drawn as this long, and marked


def first_requests(iterations: Path, plan: Document) -> list[dict[str, Any]]:
    """The first measured request of each engine and case: {engine, workload, case, block, measured_ns, …}.

    measured_ns is begin and end of what was measured in its launch; the rest are REQUEST_COLUMNS.
    """
    return [
        {"engine": engine["name"], "workload": workload["name"], **request}
        for engine in plan["engines"]
        for workload in plan["workloads"]
        for request in _of_first_launch(iterations, engine["name"], workload["name"])
    ]


def _of_first_launch(iterations: Path, engine: str, workload: str) -> Iterator[dict[str, Any]]:
    for block, table in launch_tables(iterations, engine, workload, REQUEST_COLUMNS):
        cases = table.column("case").to_pylist()
        starts_ns, latencies_ms = (table.column(name).to_pylist() for name in ("start_ns", "e2e_ms"))
        # Under load requests overlap, and one that failed has no latency.
        ends_ns = [at + round((took or 0.0) * NS_PER_MS) for at, took in zip(starts_ns, latencies_ms, strict=True)]
        measured_ns = [min(starts_ns), max(ends_ns)]
        for case in dict.fromkeys(cases):
            row = table.slice(cases.index(case), 1).to_pylist()[0]
            if row["ttft_ms"] is not None:
                yield {"block": block, "measured_ns": measured_ns, **row}
        return


def requests(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Each first request as {engine, workload, case, block, every, count, at}: tokens at ms since its begin."""
    places = {engine["name"]: place for place, engine in enumerate(inputs.engines)}
    found = []
    for one in inputs.first_requests:
        at_ms = list(accumulate(one["itl_ms"], initial=one["ttft_ms"]))
        every = -(-len(at_ms) // MOST_TOKENS)
        drawn = [*at_ms[:-1:every], at_ms[-1]]
        found.append(
            {
                **{key: one[key] for key in ("workload", "case", "block")},
                "engine": places[one["engine"]],
                "every": every,
                "count": len(at_ms),
                "at": [rounded(value) for value in drawn],
            }
        )
    return found


def launches(inputs: ReportInputs) -> dict[str, Any]:
    """{launches, pauses}: when each launch ran, in s since the first, and pauses as [at_s, length_s].

    A launch is [engine, workload, block, begin_s, end_s, status, disturbed, remarks, values]; values holds
    [case, latency over the engine's typical one] for each case.
    """
    places = {engine["name"]: place for place, engine in enumerate(inputs.engines)}
    relative = _relative_latencies(inputs)
    spans, pauses = _without_pauses(inputs.records)
    drawn = [
        [
            places[record["engine"]],
            record["workload"],
            record["block"],
            *span,
            record["status"],
            is_disturbed(record),
            [warning["kind"].replace("_", " ") for warning in record["warnings"]],
            relative.get((record["engine"], record["workload"], record["block"]), []),
        ]
        for record, span in zip(inputs.records, spans, strict=True)
    ]
    return {"launches": drawn, "pauses": pauses}


def _without_pauses(records: Sequence[Document]) -> tuple[list[list[float]], list[list[float]]]:
    """([begin_s, end_s] of each launch since the first, [at_s, length_s] of each pause); long pauses are cut short."""
    spans: list[list[float]] = []
    pauses = []
    origin = latest = 0.0
    for record in records:
        begin, end = (datetime.datetime.fromisoformat(record[key]).timestamp() for key in ("started_at", "ended_at"))
        if not spans:
            origin = latest = begin
        if begin - latest > LONGEST_PAUSE_S:
            pauses.append([round(latest - origin, 2), round(begin - latest)])
            origin += begin - latest - LONGEST_PAUSE_S
        latest = max(latest, end)
        spans.append([round(begin - origin, 2), round(end - origin, 2)])
    return spans, pauses


def _relative_latencies(inputs: ReportInputs) -> dict[tuple[str, str, int], list[Sequence[Any]]]:
    """By engine, workload and block: [case, the launch's latency over the engine's typical one] for each case."""
    found: dict[tuple[str, str, int], list[Sequence[Any]]] = {}
    for cell in inputs.statistics["cells"]:
        numbers = cell["metrics"].get(PRIMARY)
        for one in numbers["launch_medians"] if numbers and numbers["median"] else ():
            value = rounded(one["value"] / numbers["median"])
            found.setdefault((cell["engine"], cell["workload"], one["block"]), []).append([cell["case"], value])
    return found


def drifts(inputs: ReportInputs) -> list[list[Any]]:
    """[engine, workload, case] of latencies that drift over the campaign."""
    places = {engine["name"]: place for place, engine in enumerate(inputs.engines)}
    return [
        [places[cell["engine"]], cell["workload"], cell["case"]]
        for cell in inputs.statistics["cells"]
        if PRIMARY in cell["metrics"] and (cell["metrics"][PRIMARY]["drift"] or {}).get("drifts")
    ]
