"""What did not change between two campaigns shows how the machine did: the day's shift, which is taken out of what
changed.

A reference is a program with the same identity on both sides: the control and its twin are one, every unchanged engine
is another. An engine is held against the references of its own block, so that blocks, drift and the day cancel alike;
how unlike one another the references shifted is how unlike them the engine may have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.comparison.differences import LAUNCH_FACTS, surrounding_differences, told
from benchmark_runner.comparison.side import Side
from benchmark_runner.hashes import fingerprint
from benchmark_runner.statistics.estimates import Estimate, negligible_spread
from benchmark_runner.statistics.families import places
from benchmark_runner.statistics.hypotheses import welch_log_ratio
from benchmark_runner.statistics.inputs import EngineData
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import FEWEST_LAUNCHES
from benchmark_runner.statistics.results import Cell

_NOT_THE_PROGRAM: Final = ("spec.iterations", "spec.warmup_iterations", "measure_version")
"""Facts of a launch that say how it was measured; requests are held against each other elsewhere."""

_PLANNED: Final = ("source", "beside", "brought", "build_device", "weights_format")
"""Facts of an engine in plan.json that no launch repeats."""

_OF_THE_WORKFLOW: Final = ("workflow.", "python.")
"""Differences of the environment that reach no engine."""

Blocks = Mapping[int, float]
"""A number by block."""


@dataclass(frozen=True)
class Program:
    """A program that did not change, by the names that it has before and after."""

    names: tuple[tuple[str, ...], tuple[str, ...]]
    device: str | None


@dataclass(frozen=True)
class Relative:
    """An engine's launch values as they would have been on the day before: divided by what the references of their
    block show.

    variance (of the log ratio) is what remains unknown of the engine's own shift, by the spread between references,
    with its degrees of freedom; 0 where one reference cannot tell. machine is how the references ran after.
    """

    before: FloatArray
    after: FloatArray
    kept_before: FloatArray
    kept_after: FloatArray
    variance: float
    df: int
    machine: Estimate
    names: tuple[str, ...]
    programs: int


def _identity(side: Side, engine: EngineData) -> str:
    """What an engine was, whatever its name: the same text on both sides where its program did not change."""
    planned = next(entry for entry in side.inputs.plan["engines"] if entry["name"] == engine.name)
    launches = engine.ok()
    facts: dict[str, Any] = {key: planned.get(key) or None for key in _PLANNED}
    facts |= {key: told(engine, key) for key, _, _ in LAUNCH_FACTS if key not in _NOT_THE_PROGRAM}
    facts |= {key: sorted({str(one.record.get(key)) for one in launches}) for key in ("device", "threads")}
    return fingerprint(facts)


def _mean(values: Sequence[Blocks]) -> Blocks:
    """Mean over several of one program's names, in the blocks that all have."""
    shared = set.intersection(*(set(one) for one in values))
    return {block: float(np.mean([one[block] for one in values])) for block in shared}


def _table(programs: Sequence[Blocks]) -> FloatArray:
    """Programs by shared blocks."""
    shared = sorted(set.intersection(*(set(one) for one in programs)))
    return np.array([[one[block] for block in shared] for one in programs])


def spread_between(cells: Sequence[Sequence[tuple[Blocks, Blocks]]]) -> tuple[float, int]:
    """(variance of the programs' own shifts beyond what chance gives them, its degrees of freedom).

    cells hold the logarithms of each program's launches before and after. Differences from the block's mean leave out
    the common shift and the blocks; what launches vary by is taken off the rest (DerSimonian & Laird 1986).
    """
    excess, df = 0.0, 0
    for programs in cells:
        tables = [_table([one[side] for one in programs]) for side in (0, 1)]
        if len(programs) < 2 or any(table.shape[1] < 2 for table in tables):
            continue
        own = [table - table.mean(axis=0) for table in tables]
        shifts = own[1].mean(axis=1) - own[0].mean(axis=1)
        noise = sum(table.var(axis=1, ddof=1) / table.shape[1] for table in own)
        excess += float(np.sum(shifts**2) - np.sum(noise))
        df += len(programs) - 1
    return (max(0.0, excess / df), df) if df else (0.0, 0)


class References:
    """The programs that did not change between two campaigns, and what they show of each metric and place."""

    def __init__(self, before: Side, after: Side) -> None:
        self._sides = (before, after)
        self._between = cache(self._spread)

    @cached_property
    def _surroundings(self) -> set[str]:
        """Kinds of what differs of machine, system and configuration."""
        found = surrounding_differences(*self._sides)
        return {one.consequence for one in found if not one.fact.startswith(_OF_THE_WORKFLOW)}

    @property
    def same_surroundings(self) -> bool:
        """Whether nothing that is recorded of machine, system and configuration differs."""
        return not self._surroundings

    @cached_property
    def _programs(self) -> list[Program]:
        """None where the machine is another one, whose days have nothing in common."""
        if "other_machine" in self._surroundings:
            return []
        names: list[dict[str, list[str]]] = [{}, {}]
        devices: dict[str, str | None] = {}
        for found, side in zip(names, self._sides, strict=True):
            for name, engine in side.inputs.engines.items():
                if good := engine.ok():
                    identity = _identity(side, engine)
                    found.setdefault(identity, []).append(name)
                    devices[identity] = good[0].device
        shared = [identity for identity in names[0] if identity in names[1]]
        return [Program((tuple(names[0][one]), tuple(names[1][one])), devices[one]) for one in shared]

    def unchanged(self, engine: str) -> bool:
        """Whether an engine's program is the same on both sides."""
        return any(engine in program.names[0] and engine in program.names[1] for program in self._programs)

    def _logs(self, side: int, name: str, place: Cell, metric: Metric) -> Blocks | None:
        """Logarithms of an engine's launch values, None where it lost a launch: the survivors are none to hold to."""
        own = self._sides[side]
        launches = [one for one in own.inputs.engines[name].launches if one.workload == place.workload]
        found = own.values.get(((name, place.workload, place.case), metric.name))
        if found is None or not found.values or not all(one.ok for one in launches):
            return None
        values = found.values
        return {block: math.log(value) for block, value in values.items()} if min(values.values()) > 0.0 else None

    def _levels(
        self, place: Cell, metric: Metric, device: str | None, without: tuple[str, ...]
    ) -> dict[tuple[str, ...], tuple[Blocks, Blocks]]:
        """What each program's launches were before and after, by its names; names in `without` are left out."""
        found: dict[tuple[str, ...], tuple[Blocks, Blocks]] = {}
        for program in self._programs:
            names = [[name for name in one if name not in without] for one in program.names]
            logs = [[self._logs(side, name, place, metric) for name in names[side]] for side in (0, 1)]
            known = [[one for one in side if one is not None] for side in logs]
            if program.device == device and all(known):
                first, second = (_mean(side) for side in known)
                found[tuple(dict.fromkeys((*names[0], *names[1])))] = (first, second)
        return found

    def _spread(self, metric: Metric, device: str | None, without: tuple[str, ...]) -> tuple[float, int]:
        cells = places(self._sides[1].inputs, metric)
        return spread_between([list(self._levels(cell, metric, device, without).values()) for cell in cells])

    def relative(self, engine: str, place: Cell, metric: Metric, level: float) -> Relative | None:
        """An engine's values against those of the references; None where no program that did not change stands beside
        at least three, and at least half, of its launches on each side. Its own name is no reference."""
        device = next((one.device for one in self._sides[1].inputs.engines[engine].ok(place.workload)), None)
        itself = (engine,) if self.unchanged(engine) else ()
        levels = self._levels(place, metric, device, itself)
        key = ((engine, place.workload, place.case), metric.name)
        if not levels or not all(key in side.values for side in self._sides):
            return None
        own = [side.values[key] for side in self._sides]
        shown = [self._shared(side, engine, place.workload, levels) for side in (0, 1)]
        for one, references in zip(own, shown, strict=True):
            shared = len(set(one.values) & set(references))
            if shared < FEWEST_LAUNCHES or shared < len(one.values) / 2:
                return None
        before, after = (np.array([metric.sign * one[block] for block in sorted(one)]) for one in shown)
        anchor = float(np.mean(list(shown[0].values())))
        variance, df = self._between(metric, device, itself) if len(levels) > 1 else (0.0, 0)
        return Relative(
            _moved(own[0].values, shown[0], anchor),
            _moved(own[1].values, shown[1], anchor),
            _moved(own[0].kept, shown[0], anchor),
            _moved(own[1].kept, shown[1], anchor),
            variance * (1.0 + 1.0 / len(levels)),
            df,
            _machine(before, after, level),
            tuple(name for program in levels for name in program),
            len(levels),
        )

    def _shared(
        self, side: int, engine: str, workload: str, levels: Mapping[tuple[str, ...], tuple[Blocks, Blocks]]
    ) -> Blocks:
        """Mean of the references by block, of blocks in which engine and references ran on one occasion."""
        own = self._sides[side]
        names = [name for program in levels for name in program if name in own.inputs.engines]
        together = set.intersection(*(set(own.pairs.shared_blocks(engine, name, workload)) for name in names))
        mean = _mean([one[side] for one in levels.values()])
        return {block: value for block, value in mean.items() if block in together}


def _moved(values: Blocks, references: Blocks, anchor: float) -> FloatArray:
    """Values as they would have been, had the references of their block been what they are on average before."""
    return np.array([values[one] * math.exp(anchor - references[one]) for one in sorted(set(values) & set(references))])


def _machine(before: FloatArray, after: FloatArray, level: float) -> Estimate:
    """How many times as good what did not change was after."""
    if negligible_spread(before - before[0]) and negligible_spread(after - after[0]):
        ratio = math.exp(float(after[0] - before[0]))
        return Estimate(ratio, ratio, ratio, level, "all launches equal", min(len(before), len(after)))
    return welch_log_ratio(after, before).estimate(level)
