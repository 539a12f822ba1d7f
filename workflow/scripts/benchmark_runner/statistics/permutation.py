"""Exact permutation tests on launch values: signs flipped within blocks, labels exchanged between launches.

All arrangements are counted without listing them: the values are split into halves, whose sums are listed, sorted and
matched (Horowitz & Sahni 1974, J. ACM 21, 277-292; for permutation tests Pagano & Tritchler 1983, JASA 78, 435-440,
count the same by convolution). Thirty values have 10^9 arrangements and take two lists of 32,768.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import stats

from benchmark_runner.statistics.estimates import FloatArray
from benchmark_runner.statistics.hypotheses import TestResult
from benchmark_runner.statistics.power import ARRANGEMENTS_DRAWN, MOST_VALUES_COUNTED
from benchmark_runner.units import ROUNDING

SEED: Final = 20_260_101
"""Of the arrangements drawn: the same data must give the same p-value."""


def _signed_sums(values: FloatArray) -> FloatArray:
    """Sums of the values under all choices of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate((sums - value, sums + value))
    return sums


def _pairs_from(left: FloatArray, right: FloatArray, least: float) -> int:
    """Number of pairs, one of each side, whose sum is at least this."""
    ordered = np.sort(right)
    return int(np.sum(len(ordered) - np.searchsorted(ordered, least - left, side="left")))


def sign_flip(differences: FloatArray) -> TestResult:
    """Two-sided sign-flip test of the mean of paired differences; the statistic is their mean.

    Under no difference each sign is as likely as its opposite. Exact up to MOST_VALUES_COUNTED blocks, drawn with a
    fixed seed beyond. Needs at least one difference.
    """
    n, observed = len(differences), abs(float(np.sum(differences)))
    mean = float(np.mean(differences))
    what = "sign-flip permutation test on log ratios of launch medians"
    if n > MOST_VALUES_COUNTED:
        drawn = stats.permutation_test(
            (differences,),
            np.mean,
            permutation_type="samples",
            n_resamples=ARRANGEMENTS_DRAWN,
            rng=SEED,
            vectorized=True,
        )
        return TestResult(mean, float(drawn.pvalue), n, f"{what}, {ARRANGEMENTS_DRAWN} seeded arrangements")
    least = observed - ROUNDING * float(np.sum(np.abs(differences)))
    if least <= 0.0:
        return TestResult(mean, 1.0, n, f"exact {what}")
    half = n // 2
    beyond = _pairs_from(_signed_sums(differences[:half]), _signed_sums(differences[half:]), least)
    return TestResult(mean, min(1.0, 2.0 * beyond / 2.0**n), n, f"exact {what}")


def _subset_sums(values: FloatArray) -> list[FloatArray]:
    """Sums of all subsets by the size of the subset, from none to all."""
    by_size = [np.zeros(1)]
    for value in values:
        longer = [np.zeros(0), *(sums + value for sums in by_size)]
        by_size = [np.concatenate(two) for two in zip([*by_size, np.zeros(0)], longer, strict=True)]
    return by_size


def label_exchange(a: FloatArray, b: FloatArray) -> TestResult:
    """Two-sided permutation test of the difference of means of two independent samples; the statistic is a - b.

    Under no difference every way to call len(a) of all values a is as likely. Exact up to MOST_VALUES_COUNTED values in
    all, drawn with a fixed seed beyond. Needs at least one value a side.
    """
    difference, n = float(np.mean(a) - np.mean(b)), min(len(a), len(b))
    what = "permutation test on log launch medians"
    pooled = np.concatenate((a, b))
    if len(pooled) > MOST_VALUES_COUNTED:
        drawn = stats.permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
            permutation_type="independent",
            n_resamples=ARRANGEMENTS_DRAWN,
            rng=SEED,
            vectorized=True,
        )
        return TestResult(difference, float(drawn.pvalue), n, f"{what}, {ARRANGEMENTS_DRAWN} seeded arrangements")
    centred = pooled - np.mean(pooled)
    # With a mean of 0 the difference of means is the sum of side a, but for a factor.
    least = abs(float(np.sum(centred[: len(a)]))) - ROUNDING * float(np.sum(np.abs(centred)))
    if least <= 0.0:
        return TestResult(difference, 1.0, n, f"exact {what}")
    half = len(centred) // 2
    left, right = _subset_sums(centred[:half]), _subset_sums(centred[half:])
    beyond = sum(
        _pairs_from(sign * left[size], sign * right[len(a) - size], least)
        for size in range(len(left))
        if 0 <= len(a) - size < len(right)
        for sign in (1.0, -1.0)
    )
    return TestResult(difference, min(1.0, beyond / math.comb(len(pooled), len(a))), n, f"exact {what}")
