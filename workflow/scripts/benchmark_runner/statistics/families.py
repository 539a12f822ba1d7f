"""Which engines are compared with which, on which launches, and what speaks against a comparison."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.checked import NOT_CHECKABLE
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.inputs import EngineData, Measurements
from benchmark_runner.statistics.looks import FIRST_LOOK, Looks
from benchmark_runner.statistics.machines import ratios_apart
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.pairing import LONGEST_IDLE_S, Occasions, paired_blocks
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, share_of_alpha
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.schemes import SCHEMES

LaunchValues = Mapping[tuple[CellKey, str], Mapping[int, float]]
"""Launch value by block, by (cell, metric)."""


def engine_pairs(inputs: Measurements) -> list[tuple[str, str]]:
    """(engine, reference) of all pairs without the control; the baseline is always the reference, else the earlier
    one."""
    names = [name for name, engine in inputs.engines.items() if engine.control_of is None]
    baseline = inputs.plan["campaign"]["baseline"]
    pairs = []
    for first, second in itertools.combinations(names, 2):
        pairs.append((first, second) if second == baseline else (second, first))
    return sorted(pairs, key=lambda pair: pair[1] != baseline)


def control_pairs(inputs: Measurements) -> list[tuple[str, str]]:
    """(control, its twin), empty where the campaign has no control."""
    return [(name, engine.control_of) for name, engine in inputs.engines.items() if engine.control_of is not None]


def family_launches(inputs: Measurements) -> int:
    """Fewest launches of each engine from which the family of all planned pairs can have a verdict at its first
    look."""
    tests = len(engine_pairs(inputs)) * len(inputs.cells)
    scheme = SCHEMES[inputs.settings["significance_test"]]
    return scheme.fewest_launches(tests, inputs.alpha * share_of_alpha(1))


def places(inputs: Measurements, metric: Metric) -> list[Cell]:
    """The cells in which a metric is compared: test cases (for a metric of a stage those with load), or workloads for a
    metric of a whole launch."""
    if metric.level == "launch":
        return [Cell(workload, None) for workload in inputs.workloads]
    return [Cell(*cell) for cell in inputs.cells if metric.level != "stage" or cell in inputs.loads]


def exclusion(inputs: Measurements, engine: str, reference: str, workload: str) -> str | None:
    """Why two engines must not be compared in a workload, from facts that no time depends on; None where they may."""
    a, b = inputs.engines[engine], inputs.engines[reference]
    for one in (a, b):
        if not one.ok(workload):
            return inputs.why_unmeasured(one.name, workload)
    for one in (a, b):
        if one.fidelity_failed:
            detail = one.fidelity.get("reason") or "see its fidelity check"
            return f"{one.name} does not compute the same as the reference ({detail})"
    own, other = a.devices(workload), b.devices(workload)
    for one, devices in ((a, own), (b, other)):
        if len(devices) > 1:
            return f"launches of {one.name} ran on different devices ({', '.join(devices)})"
    if own != other:
        return f"{a.name} ran on {', '.join(own)} and {b.name} on {', '.join(other)}"
    return None


def not_of_the_same(inputs: Measurements, metric: Metric, place: Cell, names: Sequence[str]) -> str | None:
    """Why two engines must not be compared by a metric, since one was not asked for what it is of; None where both
    were."""
    if place.case is not None:
        unasked = (name for name in names if place.case in inputs.not_asked[name].get(place.workload, {}))
        return next((inputs.why_unmeasured(name, place.workload, place.case) for name in unasked), None)
    left_out = [inputs.not_asked[name].get(place.workload, {}).keys() for name in names]
    if not metric.over_cases or left_out[0] == left_out[1]:
        return None
    return next(filter(None, (inputs.why_other_work(name, place.workload) for name in names)), None)


def qualifiers(a: EngineData, b: EngineData) -> list[str]:
    """What a reader must know about the two engines beside their times and settings."""
    found = []
    if a.fidelity_failed or b.fidelity_failed:
        found.append("fidelity_fail")
    if any(engine.fidelity.get("result") == NOT_CHECKABLE for engine in (a, b)):
        found.append("fidelity_unchecked")
    return found


class ByBlock:
    """Launch values of a campaign, and what those of a block have in common, which is made once for all pairs."""

    def __init__(self, values: LaunchValues) -> None:
        self._values = values
        self.levels = cache(self._levels)

    def of(self, metric: str, place: Cell, engine: str) -> Mapping[int, float]:
        """Those of one engine by block; empty where it has none."""
        return self._values.get(((engine, place.workload, place.case), metric), {})

    def _levels(self, metric: str, place: Cell, engines: tuple[str, ...], blocks: tuple[int, ...]) -> FloatArray | None:
        """Logarithm of what engines have in common in each block: their mean, of those with a value in all of these
        blocks. None where a value has no logarithm."""
        found = (self.of(metric, place, name) for name in engines)
        table = np.array([[one[block] for block in blocks] for one in found if one.keys() >= set(blocks)])
        return np.mean(np.log(table), axis=0) if bool(np.all(table > 0.0)) else None


class CampaignPairs:
    """Makes the pairs of a campaign; the blocks that two engines share are looked up once for all metrics."""

    def __init__(self, inputs: Measurements, looks: Looks = FIRST_LOOK) -> None:
        self._inputs = inputs
        self._looks = looks
        cool_down_s = float(inputs.plan["config"].get("system", {}).get("cool_down_seconds") or 0.0)
        self._occasions = Occasions(inputs.launches, LONGEST_IDLE_S + cool_down_s, inputs.folders)
        self._excluded = cache(partial(exclusion, inputs))
        self.shared_blocks = cache(self._shared_blocks)
        self._beside = cache(self._engines_beside)

    @property
    def split_blocks(self) -> list[int]:
        """Blocks whose launches ran on several occasions."""
        return self._occasions.split_blocks

    @property
    def last_block(self) -> int:
        """Block up to which launches are looked at, of a planned look."""
        assert self._looks.planned is not None
        return self._looks.planned.launches

    def _shared_blocks(self, engine: str, reference: str, workload: str) -> tuple[int, ...]:
        engines = self._inputs.engines
        return tuple(paired_blocks(engines[engine].ok(workload), engines[reference].ok(workload), self._occasions))

    def _engines_beside(self, engine: str, reference: str, workload: str, blocks: tuple[int, ...]) -> tuple[str, ...]:
        """Two engines and those that may be compared with the first in a workload and ran on the occasions of these
        blocks, in the plan's order."""
        others = (name for name in self._inputs.engines if name not in (engine, reference))
        alike = {name for name in others if self._excluded(engine, name, workload) is None}
        beside = {name for name in alike if set(self.shared_blocks(engine, name, workload)) >= set(blocks)}
        return tuple(name for name in self._inputs.engines if name in (engine, reference) or name in beside)

    def _ran_apart(self, engine: str, reference: str, workload: str) -> bool:
        """Whether launches of two engines in a workload ran on several machines."""
        engines, machines = self._inputs.engines, self._inputs.machines
        good = (*engines[engine].ok(workload), *engines[reference].ok(workload))
        return len({machines[one.engine, one.workload, one.block] for one in good}) > 1

    def _by_machine(self, place: Cell, names: tuple[str, str], pair: Pair, blocks: Sequence[int]) -> Pair:
        """The pair with its ratios by machine where they differ."""
        machines = self._inputs.machine_by_block(names[0], place.workload)
        if not machines or not blocks or not bool(np.all(np.minimum(pair.values, pair.reference_values) > 0.0)):
            return pair
        logs = pair.sign * np.log(pair.values / pair.reference_values)
        return replace(pair, machines=ratios_apart(logs, [machines[block] for block in blocks]))

    def pair(self, metric: Metric, place: Cell, engine: str, reference: str, values: ByBlock) -> Pair:
        """The launch values of two engines in one cell.

        Blocks are used as pairs where at least three, and at least half of the launches of the side with fewer, have
        their partner; else all launches are compared unpaired, which needs them to come from one machine.
        """
        unlike = not_of_the_same(self._inputs, metric, place, (engine, reference))
        own, other = ({}, {}) if unlike else (values.of(metric.name, place, name) for name in (engine, reference))
        excluded = self._excluded(engine, reference, place.workload) or unlike
        shared = self.shared_blocks(engine, reference, place.workload)
        blocks = tuple(block for block in shared if block in own and block in other)
        fewest = min(len(own), len(other))
        paired = len(blocks) >= fewest / 2 and (len(blocks) >= FEWEST_LAUNCHES or fewest < FEWEST_LAUNCHES)
        own_blocks, other_blocks = (blocks, blocks) if paired else (tuple(sorted(own)), tuple(sorted(other)))
        beside = self._beside(engine, reference, place.workload, blocks) if paired and blocks else ()
        if not paired and excluded is None and self._ran_apart(engine, reference, place.workload):
            excluded = "their launches ran on different machines"
        look = self._looks.at(engine, reference, place.workload)
        share = self._looks.share(engine, reference, place.workload)
        pair = Pair(
            engine=engine,
            reference=reference,
            values=np.array([own[block] for block in own_blocks], dtype=np.float64),
            reference_values=np.array([other[block] for block in other_blocks], dtype=np.float64),
            sign=metric.sign,
            paired=paired,
            excluded=excluded,
            look=look,
            share=share,
            next_share=share if self._looks.planned else share_of_alpha(look + 1),
            passes=tuple(name for name in (engine, reference) if name in self._inputs.not_restarted),
            block_levels=values.levels(metric.name, place, beside, blocks) if beside else None,
        )
        return self._by_machine(place, (engine, reference), pair, blocks) if paired else pair
