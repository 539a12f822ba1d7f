"""What the launches of one pair of engines show, before any family is corrected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics import effects
from benchmark_runner.statistics.estimates import Estimate, negligible_spread
from benchmark_runner.statistics.hypotheses import (
    LogRatio,
    TestResult,
    mann_whitney,
    paired_log_ratio,
    pairs_won,
    welch_log_ratio,
)
from benchmark_runner.statistics.machines import MachineRatios
from benchmark_runner.statistics.on_demand import OnDemand
from benchmark_runner.statistics.permutation import label_exchange, sign_flip
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, MANN_WHITNEY, PERMUTATION, SecondTest, share_of_alpha
from benchmark_runner.statistics.schemes import PAIRED_T, WELCH_T, FirstTest

_DIGITS_KEPT: Final = 12
"""Of logarithms; a double's rounding lies beyond."""


@dataclass(frozen=True)
class Pair:
    """Two engines in one cell with the launch values that are compared.

    Where paired, the two arrays are aligned by block. sign is 1 where higher values are better and -1 where lower
    ones are. excluded says why this pair takes no part in the family (nothing was measured, or it must not be
    compared). look counts how often the pair's launches were looked at, this time included, and share is the share of
    alpha that this look may spend. doubt is the difference (of logarithms) that the control showed here, where it was
    told from its twin anywhere, modes the distance between the two groups into which launches of the engines fall,
    losses what the launches that one of them lost may hide and client the error of the load client (all of logarithms
    too), machines what the ratio differs by from machine to machine: a verdict has to hold in spite of all five.
    resolution is the step of the clock over what it measured, where
    that is coarse enough to matter. passes names those of the two that are servers which ran all the time: what differs
    between starts was never seen of them, so no verdict on them is certain.
    block_levels are the logarithms of what paired launches have in common with the others of their block, where that is
    known.
    """

    engine: str
    reference: str
    values: FloatArray
    reference_values: FloatArray
    sign: float
    paired: bool = True
    excluded: str | None = None
    look: int = 1
    share: float = 1.0
    next_share: float = share_of_alpha(2)
    settled: bool = False
    doubt: float = 0.0
    modes: float = 0.0
    losses: float = 0.0
    client: float = 0.0
    machines: MachineRatios | None = None
    resolution: float = 0.0
    passes: tuple[str, ...] = ()
    block_levels: FloatArray | None = None

    @property
    def allowance(self) -> float:
        """What a verdict has to allow for, of logarithms."""
        apart = self.machines.apart if self.machines else 0.0
        return self.doubt + self.modes + self.losses + self.client + apart

    @property
    def counts(self) -> bool:
        """Whether the pair is one of the family's tests."""
        return self.excluded is None and len(self.values) > 0 and len(self.reference_values) > 0

    @property
    def fewest(self) -> int:
        """Launches of the side with fewer."""
        return min(len(self.values), len(self.reference_values))


@dataclass(frozen=True)
class Evidence:
    """Statistics of a pair; t by first test, seconds by the test beside it (made when asked for), both empty where
    there is an obstacle."""

    obstacle: str | None
    t: Mapping[FirstTest, LogRatio]
    seconds: Mapping[SecondTest, TestResult]
    ratio_without_spread: Estimate | None = None
    cliffs_delta: float | None = None
    hedges_g: float | None = None
    shift: float | None = None
    sd_of_log_ratios: float | None = None


def _unmeasurable(pair: Pair) -> str | None:
    """Why no interval can be computed from a pair's values; None where one can."""
    if pair.fewest == 0:
        missing = pair.engine if len(pair.values) == 0 else pair.reference
        return f"no launch of {missing} ended ok here with a value"
    if pair.fewest < 2:
        return f"1 launch: at least {FEWEST_LAUNCHES} are needed"
    both = np.concatenate((pair.values, pair.reference_values))
    if not bool(np.all(np.isfinite(both))):
        return "a launch value is not a number"
    if not bool(np.all(both > 0.0)):
        return "a launch value is not positive, so there is no ratio"
    return None


def _logs(pair: Pair) -> tuple[FloatArray, FloatArray]:
    """Logarithms of both sides relative to one value, turned so that more is better."""
    scale = float(pair.reference_values[0])
    return pair.sign * np.log(pair.values / scale), pair.sign * np.log(pair.reference_values / scale)


def _no_spread(pair: Pair) -> bool:
    if pair.paired:
        return negligible_spread(np.log(pair.values / pair.reference_values))
    return all(negligible_spread(np.log(side / side[0])) for side in (pair.values, pair.reference_values))


def _ratio_without_spread(pair: Pair, level: float) -> Estimate:
    ratio = float(pair.values[0] / pair.reference_values[0]) ** pair.sign
    return Estimate(ratio, ratio, ratio, level, "all launches equal: no spread to judge by", pair.fewest)


def _spread(own: FloatArray, other: FloatArray, *, paired: bool) -> float:
    """Standard deviation of log ratios; for unpaired launches what independent blocks would have."""
    if paired:
        return float(np.std(own - other, ddof=1))
    return math.sqrt(sum(float(np.var(side, ddof=1)) for side in (own, other)))


def _mann_whitney(pair: Pair) -> TestResult:
    """Mann-Whitney on the launch values, those of blocks less the level of their block: the exact test compares
    launches of different blocks too, and would take what these differ by for noise.

    What is left is rounded, so that what was tied stays tied.
    """
    if pair.block_levels is None:
        return mann_whitney(pair.sign * pair.values, pair.sign * pair.reference_values)
    sides = (pair.values, pair.reference_values)
    own, other = (np.round(pair.sign * (np.log(side) - pair.block_levels), _DIGITS_KEPT) for side in sides)
    found = mann_whitney(own, other)
    return replace(found, method=found.method.replace("medians", "medians less the mean of their block (logarithms)"))


def weigh(pair: Pair, level: float) -> Evidence:
    """All statistics of a pair that need no other pair; level is that of the ratio where nothing varies."""
    obstacle = _unmeasurable(pair)
    if obstacle is not None:
        return Evidence(obstacle, {}, {})
    own, other = _logs(pair)
    sizes = Evidence(
        None,
        {},
        {},
        # On logarithms, so that it belongs to the same scale as the ratio.
        hedges_g=effects.hedges_g(own, other),
        shift=effects.hodges_lehmann(pair.values, pair.reference_values),
        sd_of_log_ratios=_spread(own, other, paired=pair.paired),
    )
    if _no_spread(pair):
        reason = "launches do not vary at all, so there is nothing to judge the difference by"
        return replace(sizes, obstacle=reason, ratio_without_spread=_ratio_without_spread(pair, level))
    t: dict[FirstTest, LogRatio] = {WELCH_T: welch_log_ratio(own, other)}
    if pair.paired:
        t[PAIRED_T] = paired_log_ratio(own - other)
    exchanged = partial(sign_flip, own - other) if pair.paired else partial(label_exchange, own, other)
    seconds: Mapping[SecondTest, TestResult] = OnDemand(
        {MANN_WHITNEY: partial(_mann_whitney, pair), PERMUTATION: exchanged}
    )
    u = sum(pairs_won(pair.sign * pair.values, pair.sign * pair.reference_values)) / 2.0
    delta = effects.cliffs_delta(u, len(pair.values), len(pair.reference_values))
    return replace(sizes, t=t, seconds=seconds, cliffs_delta=delta)
