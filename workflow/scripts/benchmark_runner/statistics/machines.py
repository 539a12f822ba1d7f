"""Campaigns of several machines: the machine is a stratum.

Engines are compared within blocks, each on one machine, so that its speed cancels out. An engine's own times are a mean
over these machines, and what the machines differ by is no spread of its launches. Where the ratio of two engines itself
differs from machine to machine, a verdict has to hold on each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import fdtrc

from benchmark_runner.arrays import FloatArray
from benchmark_runner.display import significant
from benchmark_runner.statistics.estimates import less_machines, negligible_spread
from benchmark_runner.statistics.inputs import Measurements

MACHINES_ALPHA: Final = 0.05
"""Chosen: one pair in twenty whose ratio is the same on all machines has to hold on each nonetheless."""


@dataclass(frozen=True)
class MachineRatios:
    """How many times as good an engine is as another on each machine, and how far from the ratio of all of them the
    farthest lies (of logarithms)."""

    ratios: Mapping[str, float]
    apart: float

    def words(self, engine: str, reference: str) -> str:
        """ "candle against torch: 1.31 times on node1, 0.94 times on node2", of what the ratio is of."""
        told = [f"{significant(ratio)} times on {name}" for name, ratio in self.ratios.items()]
        return f"{engine} against {reference}: {', '.join(told)}"


def ratios_apart(log_ratios: FloatArray, machines: Sequence[str]) -> MachineRatios | None:
    """The ratios by machine where they differ by more than chance (F test of the blocks' log ratios); None where not,
    or where no machine has two blocks."""
    names = list(dict.fromkeys(machines))
    free = len(log_ratios) - len(names)
    if len(names) < 2 or free < 1 or negligible_spread(log_ratios):
        return None
    within = float(np.sum((less_machines(log_ratios, machines) - np.mean(log_ratios)) ** 2))
    between = float(np.sum((log_ratios - np.mean(log_ratios)) ** 2)) - within
    tiny = np.finfo(np.float64).tiny
    if fdtrc(len(names) - 1, free, max(between, 0.0) / (len(names) - 1) / max(within / free, tiny)) > MACHINES_ALPHA:
        return None
    ran_on = np.array(machines)
    means = {name: float(np.mean(log_ratios[ran_on == name])) for name in names}
    apart = max(abs(mean - float(np.mean(log_ratios))) for mean in means.values())
    return MachineRatios({name: math.exp(mean) for name, mean in means.items()}, apart)


def levelled(values: Mapping[int, float], machines: Mapping[int, str]) -> Mapping[int, float]:
    """Launch values by block without what their machines differ by, as factors; as they are where all are of one, or
    one of them is not positive."""
    ran_on = [machines[block] for block in values] if machines else []
    if len(set(ran_on)) < 2 or not all(value > 0.0 for value in values.values()):
        return values
    logs = less_machines(np.log(list(values.values())), ran_on)
    return dict(zip(values, np.exp(logs).tolist(), strict=True))


def within_machines(
    inputs: Measurements, workload: str, launches: Mapping[str, Mapping[int, float]]
) -> dict[str, Mapping[int, float]]:
    """Launch values of a workload by engine and block, levelled."""
    return {name: levelled(values, inputs.machine_by_block(name, workload)) for name, values in launches.items()}


def by_machine(values: Mapping[int, float], machines: Mapping[int, str]) -> list[dict[str, Any]]:
    """Launches of a cell and the typical one's time on each machine; nothing where all are of one."""
    groups: dict[str, list[float]] = {}
    for block, value in values.items():
        groups.setdefault(machines.get(block, ""), []).append(value)
    if len(groups) < 2:
        return []
    return [{"machine": name, "launches": len(found), "typical": _typical(found)} for name, found in groups.items()]


def _typical(values: Iterable[float]) -> float | None:
    found = np.array(list(values))
    return float(np.exp(np.mean(np.log(found)))) if bool(np.all(found > 0.0)) else None
