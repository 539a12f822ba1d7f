"""What the verdict will find: the recipe that judges, simulated on normal differences.

All tests of a recipe that must agree call a pair once it differs by enough. How much that is, in units of the spread of
log differences, is read from each simulated campaign at once, so that power at any difference and the difference at any
power follow from the same draws.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import stdtrit

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.design import Design
from benchmark_runner.statistics.estimates import t_quantile
from benchmark_runner.statistics.hypotheses import chance_of_u_at_most
from benchmark_runner.statistics.moderated import prior_of_variances
from benchmark_runner.statistics.power import MANN_WHITNEY, fewest_that
from benchmark_runner.statistics.schemes import MODERATED_T

CAMPAIGNS: Final = 2000
"""Chosen: the power of 80 % is then known to one point."""

SEED: Final = 20

MOST_CELLS: Final = 4
"""Cells from which on more pairs tell no more of the prior, whose degrees of freedom are limited."""

MOST_SIMULATED: Final = 50
"""Launches from which on a difference falls as the root of their number; simulated there, all recipes do."""


def _mann_whitney(own: FloatArray, other: FloatArray, level: float) -> FloatArray:
    """Difference from which on Mann-Whitney reaches the level: enough of all pairs of launches must be won."""
    launches = own.shape[1]
    lost = int(np.searchsorted(2.0 * chance_of_u_at_most(launches, launches), level, side="right")) - 1
    if lost < 0:
        return np.full(len(own), math.inf)
    gaps = (other[:, None, :] - own[:, :, None]).reshape(len(own), -1)
    won = launches * launches - lost
    return np.partition(gaps, won - 1, axis=1)[:, won - 1]


def _t(differences: FloatArray, level: float) -> FloatArray:
    """Difference from which on the paired t test reaches the level."""
    launches = differences.shape[1]
    means, spreads = np.mean(differences, axis=1), np.std(differences, axis=1, ddof=1)
    needed: FloatArray = t_quantile(launches - 1.0, 1.0 - level) * spreads / math.sqrt(launches) - means
    return needed


def _moderated_t(differences: FloatArray, all_pairs: FloatArray, level: float) -> FloatArray:
    """Difference from which on the moderated t test reaches the level; all_pairs (campaign, pair, block) are what its
    prior rests on."""
    launches = differences.shape[1]
    variances, own_df = np.var(all_pairs, axis=2, ddof=1), np.full(all_pairs.shape[1], launches - 1.0)
    priors = [prior_of_variances(seen, own_df) for seen in variances]
    size, known = np.array([prior.variance for prior in priors]), np.array([prior.df for prior in priors])
    df, own = known + launches - 1.0, np.var(differences, axis=1, ddof=1)
    error = np.sqrt(((launches - 1.0) * own + known * size) / df / launches)
    needed: FloatArray = stdtrit(df, 1.0 - level / 2.0) * error - np.mean(differences, axis=1)
    return needed


def _all_pairs(logs: FloatArray, engines: int) -> FloatArray:
    """Log differences of all pairs of engines, and of each further one, which is a control, with the first."""
    pairs = [*itertools.combinations(range(engines), 2), *((0, twin) for twin in range(engines, logs.shape[1]))]
    return np.stack([logs[:, a] - logs[:, b] for a, b in pairs], axis=1)


@lru_cache(maxsize=64)
def _needed(design: Design, controls: int) -> FloatArray:
    """Differences from which on simulated campaigns call a pair, ascending, for differences that vary by 1. alpha is
    divided by the comparisons, Holm's first and strictest step."""
    rng = np.random.default_rng(SEED)
    scheme, level, launches = design.scheme, design.alpha_of_look / max(design.tests, 1), design.launches
    engines, cells = max(design.engines, 2), min(max(design.cells, 1), MOST_CELLS)
    shape = (CAMPAIGNS, engines + controls, launches)
    by_cell = [rng.normal(0.0, math.sqrt(0.5), shape) for _ in range(cells)]
    logs = by_cell[0]
    own, other = logs[:, 0], logs[:, 1]
    if scheme.blocked == MODERATED_T:
        pairs = np.concatenate([_all_pairs(one, engines) for one in by_cell], axis=1)
        needed = np.maximum(_moderated_t(own - other, pairs, level), _t(own - other, design.alpha))
    else:
        needed = _t(own - other, level)
    if scheme.second == MANN_WHITNEY:
        blocks = logs.mean(axis=1)
        needed = np.maximum(needed, _mann_whitney(own - blocks, other - blocks, level))
    return np.sort(needed)


def needed_differences(design: Design, controls: int = 1) -> FloatArray:
    """What _needed gives for a design with so many controls; from MOST_SIMULATED launches on by the root of their
    number."""
    simulated = min(design.launches, max(MOST_SIMULATED, design.needed))
    return _needed(design._replace(launches=simulated), controls) * math.sqrt(simulated / design.launches)


def smallest_ratio(design: Design, spread: float, power: float, controls: int = 1) -> float | None:
    """Smallest ratio that the design's recipe calls with this power, where log differences of blocks vary by `spread`;
    None where it can call none."""
    if design.launches < design.needed:
        return None
    least = float(np.quantile(needed_differences(design, controls), power))
    return math.exp(spread * least) if math.isfinite(least) else None


def launches_for(design: Design, spread: float, ratio: float, power: float, controls: int = 1) -> int | None:
    """Fewest launches at which the design's recipe calls this ratio with this power; None beyond
    MOST_LAUNCHES_SEARCHED."""

    def enough(launches: int) -> bool:
        needed = needed_differences(design._replace(launches=launches), controls)
        return spread * float(np.quantile(needed, power)) <= abs(math.log(ratio))

    return fewest_that(design.needed, enough)
