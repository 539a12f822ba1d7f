"""Effect sizes on launch values: Cliff's delta, Hedges g, the Hodges-Lehmann shift."""

from __future__ import annotations

import math

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.estimates import negligible_spread


def cliffs_delta(u: float, n_a: int, n_b: int) -> float:
    """Cliff's delta of a against b from U of a: P(a > b) - P(a < b), from -1 to 1 (Cliff 1993, Psychol. Bull. 114)."""
    return 2.0 * u / (n_a * n_b) - 1.0


def hedges_g(a: FloatArray, b: FloatArray) -> float | None:
    """Standardised mean difference a - b with Hedges' exact small-sample factor (Hedges 1981, J. Educ. Stat. 6,
    107-128).

    None where either side has fewer than two values or nothing varies.
    """
    if min(len(a), len(b)) < 2:
        return None
    df = len(a) + len(b) - 2
    squares = float(np.sum((a - np.mean(a)) ** 2) + np.sum((b - np.mean(b)) ** 2))
    pooled = math.sqrt(squares / df)
    if negligible_spread(np.concatenate((a - np.mean(a), b - np.mean(b)))):
        return None
    factor = math.exp(math.lgamma(df / 2.0) - math.lgamma((df - 1) / 2.0)) / math.sqrt(df / 2.0)
    return factor * float(np.mean(a) - np.mean(b)) / pooled


def hodges_lehmann(a: FloatArray, b: FloatArray) -> float:
    """Median of all differences a - b (Hodges & Lehmann 1963, Ann. Math. Statist. 34, 598-611), in the values' unit."""
    return float(np.median(a[:, None] - b[None, :]))
