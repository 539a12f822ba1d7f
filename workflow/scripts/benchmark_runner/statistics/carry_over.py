"""Whether a launch's time depends on which engine ran just before it: a hot machine, a cache or a clock left behind.

Balanced orders let each engine follow each other, itself too, about equally often: what is left behind hits all alike.
This tells that it is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import fdtrc

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.estimates import negligible_spread
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.statistics.metrics import PRIMARY
from benchmark_runner.statistics.pairing import LONGEST_IDLE_S
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.status import Status

CARRY_OVER_ALPHA: Final = 0.05
"""Chosen: one quiet campaign in twenty is said to carry something over; it takes no verdict away."""

METHOD: Final = "F test of the engine that ran before, within blocks and engines, on log launch medians"


@dataclass(frozen=True)
class _Follower:
    """A launch's logarithm with the engine that ran just before it."""

    engine: str
    block: int
    before: str
    value: float


def _followers(
    launches: Iterable[MeasuredLaunch], values: Mapping[tuple[CellKey, str], Mapping[int, float]]
) -> Iterator[tuple[str, _Follower]]:
    """(workload, launch) of those with a launch before them on one occasion; cases of a launch count together."""
    by_launch: dict[tuple[str, str, int], list[float]] = {}
    for ((engine, workload, _), metric), found in values.items():
        if metric == PRIMARY:
            for block, value in found.items():
                by_launch.setdefault((engine, workload, block), []).append(value)
    before: MeasuredLaunch | None = None
    for launch in sorted(launches, key=lambda one: (one.boot_id, one.started)):  # machines may measure at once
        own = by_launch.get((launch.engine, launch.workload, launch.block), []) if launch.ok else []
        if before is not None and own and min(own) > 0.0 and _soon_after(before, launch):
            value = sum(map(math.log, own)) / len(own)
            yield launch.workload, _Follower(launch.engine, launch.block, before.engine, value)
        # What could not start left nothing behind.
        before = before if launch.status == Status.UNAVAILABLE else launch


def _soon_after(before: MeasuredLaunch, launch: MeasuredLaunch) -> bool:
    idle = (launch.started - before.ended).total_seconds()
    return before.boot_id == launch.boot_id and idle <= LONGEST_IDLE_S


def _dummies(labels: Sequence[str | int], kinds: Sequence[str | int]) -> FloatArray:
    return np.array([[float(label == kind) for kind in kinds] for label in labels])


def _within(members: Sequence[_Follower], engines: Sequence[str]) -> tuple[FloatArray, FloatArray, int]:
    """(logarithms, who ran before) of one workload's launches less what engine and block explain, and how many
    parameters that took."""
    own, blocks = [one.engine for one in members], [one.block for one in members]
    explained = np.hstack([_dummies(own, sorted(set(own))), _dummies(blocks, sorted(set(blocks)))])
    left, sizes, _ = np.linalg.svd(explained, full_matrices=False)
    left = left[:, sizes > 1e-9 * sizes[0]]
    both = np.column_stack([[one.value for one in members], _dummies([one.before for one in members], engines)])
    rest = both - left @ (left.T @ both)
    return rest[:, 0], rest[:, 1:], left.shape[1]


def carry_over(
    launches: Iterable[MeasuredLaunch], values: Mapping[tuple[CellKey, str], Mapping[int, float]]
) -> dict[str, Any]:
    """The test over all workloads together, with its reason where it could not be made."""
    by_workload: dict[str, list[_Follower]] = {}
    for workload, follower in _followers(launches, values):
        by_workload.setdefault(workload, []).append(follower)
    count = sum(map(len, by_workload.values()))
    blank: dict[str, Any] = {"method": METHOD, "n": count, "statistic": None, "p": None, "carried": None}
    if not count:
        return blank | {"reason": "no launch followed another"}
    engines = sorted({one.before for members in by_workload.values() for one in members})
    parts = [_within(members, engines) for members in by_workload.values()]
    rest, before = np.concatenate([part[0] for part in parts]), np.vstack([part[1] for part in parts])
    sides, sizes, _ = np.linalg.svd(before, full_matrices=False)
    sides = sides[:, sizes > 1e-6 * math.sqrt(count)]
    free = count - sum(part[2] for part in parts) - sides.shape[1]
    if not sides.shape[1] or free < 1:
        return blank | {"reason": "too few launches to tell engines, blocks and what ran before apart"}
    if negligible_spread(rest):
        return blank | {"reason": "all launch medians are equal"}
    explained = float(np.sum((sides.T @ rest) ** 2))
    left = max(float(np.sum(rest**2)) - explained, np.finfo(np.float64).tiny)
    statistic = explained / sides.shape[1] / (left / free)
    p = float(fdtrc(sides.shape[1], free, statistic))
    return blank | {"statistic": statistic, "p": p, "carried": p <= CARRY_OVER_ALPHA, "reason": None}


def carry_over_cautions(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What to do where a launch depends on the one before it."""
    if found["carried"]:
        yield caution(
            "carry_over",
            "warning",
            f"times depend on which engine ran just before (p = {found['p']:.2g}), so an engine may gain or lose by "
            "its neighbours; balanced orders keep that out of the comparisons on average",
            "Raise system.cool_down_seconds",
        )
