"""How much launches vary on this machine, by the launches that were measured here before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json

FEWEST_LAUNCHES: Final = 3
"""Chosen: the spread of two launches has one degree of freedom and says next to nothing."""

MOST_RECORDS: Final = 300
"""Chosen: the newest ones; reading each takes milliseconds."""


class Spread(NamedTuple):
    """Coefficient of variation of launch medians, pooled over cells, and what it rests on."""

    cv: float
    launches: int
    cells: int


def _medians(record: Mapping[str, Any]) -> dict[int, float]:
    """Median end-to-end time of each test case of a launch, in ns."""
    times: dict[int, list[int]] = {}
    for iteration in record["iterations"]:
        if not iteration["warmup"]:
            times.setdefault(iteration["case"], []).append(iteration["end_ns"] - iteration["start_ns"])
    return {case: statistics.median(values) for case, values in times.items()}


def _newest(output_dir: Path, identities: Iterable[str]) -> list[Path]:
    """Records in output_dir and the folders beside it: those of these identities, or all where there are none."""
    here = [path for path in output_dir.parent.glob("*/launches/*/*/*/record.json") if path.is_file()]
    wanted = set(identities)
    alike = [path for path in here if path.parents[1].name.rpartition(".")[2] in wanted]
    return sorted(alike or here, key=lambda path: path.stat().st_mtime)[-MOST_RECORDS:]


def measured_spread(order: Sequence[Mapping[str, Any]], output_dir: Path, hostname: str) -> Spread | None:
    """Spread of launches that ended ok on this machine; order is the plan's. None where too few were measured.

    Root mean square of the cells' coefficients of variation. A cell is one engine, workload and test case of one
    results folder, with at least FEWEST_LAUNCHES launches.
    """
    cells: dict[tuple[Path, int], list[float]] = {}
    for path in _newest(output_dir, (row["identity"] for row in order)):
        try:
            record = read_json(path)
            counts = record["status"] == "ok" and record["host"]["hostname"] == hostname
            medians = _medians(record) if counts else {}
        except (BenchmarkError, KeyError, TypeError):
            continue  # one of many, in folders of others too; whoever needs this one says what is wrong with it
        for case, median in medians.items():
            cells.setdefault((path.parents[1], case), []).append(median)
    groups = [medians for medians in cells.values() if len(medians) >= FEWEST_LAUNCHES and sum(medians) > 0]
    if not groups:
        return None
    squares = [(statistics.stdev(medians) / statistics.fmean(medians)) ** 2 for medians in groups]
    launches = {path for (path, _), medians in cells.items() if len(medians) >= FEWEST_LAUNCHES}
    counted = sum(max(len(medians) for (path, _), medians in cells.items() if path == one) for one in launches)
    return Spread(math.sqrt(statistics.fmean(squares)), counted, len(groups))
