"""How much launches differ from their neighbours on this machine, by those that were measured here before.

What a campaign finds hangs on the differences within blocks: what blocks vary by is taken out of every comparison.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.campaign.paths import JOINED
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json

FEWEST_BLOCKS: Final = 3
"""Chosen: the spread of two differences has one degree of freedom and says next to nothing."""

MOST_RECORDS: Final = 300
"""Chosen: the newest ones; reading each takes milliseconds."""

Blocks = dict[int, float]
"""Logarithm of a launch's median by block."""


class Spread(NamedTuple):
    """Standard deviation of the log differences of two engines within blocks, pooled over pairs, and what it rests
    on."""

    of_differences: float
    launches: int
    pairs: int


def _medians(record: Mapping[str, Any]) -> dict[int, float]:
    """Median end-to-end time of each test case of a launch, in ns."""
    times: dict[int, list[int]] = {}
    for iteration in record["iterations"]:
        if not iteration["warmup"]:
            times.setdefault(iteration["case"], []).append(iteration["end_ns"] - iteration["start_ns"])
    for request in record.get("requests", ()):
        if request["phase"] == "measured" and request["status"] == "ok":
            times.setdefault(request["case"], []).append(request["chunk_ns"][-1] - request["scheduled_ns"])
    return {case: statistics.median(values) for case, values in times.items()}


def _measured(paths: Iterable[Path], hostname: str) -> dict[tuple[Path, str, int], dict[str, Blocks]]:
    """Launches that ended ok on this machine, by results folder, workload and test case, then by engine."""
    found: dict[tuple[Path, str, int], dict[str, Blocks]] = {}
    for path in sorted(paths, key=lambda one: one.stat().st_mtime)[-MOST_RECORDS:]:
        try:
            record, block = read_json(path), int(path.parent.name)
            counts = record["status"] == "ok" and record["host"]["hostname"] == hostname
            logs = {case: math.log(median) for case, median in _medians(record).items()} if counts else {}
        except (BenchmarkError, KeyError, TypeError, ValueError):
            continue  # one of many, in folders of others too; whoever needs this one says what is wrong with it
        for case, value in logs.items():
            engines = found.setdefault((path.parents[4], path.parents[1].name.rpartition(".")[0], case), {})
            engines.setdefault(path.parents[2].name, {})[block] = value
    return found


def _spread(paths: Iterable[Path], hostname: str) -> Spread | None:
    variances, launches = [], set()
    for (folder, workload, _), engines in _measured(paths, hostname).items():
        for (name, own), (other_name, other) in itertools.combinations(engines.items(), 2):
            shared = own.keys() & other.keys()
            if len(shared) >= FEWEST_BLOCKS:
                variances.append(statistics.variance(own[block] - other[block] for block in shared))
                launches |= {(folder, workload, one, block) for one in (name, other_name) for block in shared}
    return Spread(math.sqrt(statistics.fmean(variances)), len(launches), len(variances)) if variances else None


def measured_spread(order: Sequence[Mapping[str, Any]], output_dir: Path, hostname: str) -> Spread | None:
    """Root mean square of the spreads of all pairs of engines that shared at least FEWEST_BLOCKS blocks of a workload,
    in output_dir or a folder beside it; order is the plan's. None where there is no such pair.

    Launches of the plan's identities serve where there are pairs of them, else all of this machine.
    """
    folders = [one for one in output_dir.parent.glob("*/launches") if not (one.parent / JOINED).exists()]
    here = [path for folder in folders for path in folder.glob("*/*/*/record.json") if path.is_file()]
    wanted = {row["identity"] for row in order}
    alike = [path for path in here if path.parents[1].name.rpartition(".")[2] in wanted]
    return _spread(alike, hostname) or _spread(here, hostname)
