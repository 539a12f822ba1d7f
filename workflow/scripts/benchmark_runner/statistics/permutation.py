"""Permutation tests on launch values: signs flipped within blocks, labels exchanged between launches.

Of few values all arrangements are counted without listing them: the values are split into halves, whose sums are
listed, sorted and matched (Horowitz & Sahni 1974, J. ACM 21, 277-292). Thirty values have 10^9 arrangements and take
two lists of 32,768. Signs of more values are counted by convolution (Pagano & Tritchler 1983, JASA 78, 435-440).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.hypotheses import TestResult
from benchmark_runner.statistics.power import ARRANGEMENTS_DRAWN, MOST_VALUES_COUNTED
from benchmark_runner.units import ROUNDING

SEED: Final = 20_260_101
"""Of the arrangements drawn: the same data must give the same p-value."""

STEPS_A_VALUE: Final = 128
"""Of the mean size of values, to which many are rounded before their signs are counted. Chosen: what rounding adds to
the sum is then a five-hundredth of the sum's own deviation (what a test costs: docs/scale.md)."""

SIZES_KEPT: Final = 4
"""Of drawn arrangements, by numbers of launches: a campaign has few, and 200 launches take 16 MB."""


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


def _chance_of_sum(steps: FloatArray, least: int) -> float:
    """Chance that the sum of whole numbers from 0 on, each there or not like the toss of a coin, is at least this."""
    chance = np.ones(1)
    for step in np.sort(steps).astype(int).tolist():
        longer = np.zeros(len(chance) + step)
        longer[: len(chance)] = chance
        longer[step:] += chance
        longer *= 0.5
        chance = longer
    return float(np.sum(chance[least:]))


def sign_flip(differences: FloatArray) -> TestResult:
    """Two-sided sign-flip test of the mean of paired differences; the statistic is their mean.

    Under no difference each sign is as likely as its opposite. Exact; beyond MOST_VALUES_COUNTED blocks it is the exact
    test of the differences rounded to STEPS_A_VALUE. Needs at least one difference.
    """
    n, size = len(differences), float(np.sum(np.abs(differences)))
    mean = float(np.mean(differences))
    what = "exact sign-flip permutation test on log ratios of launch medians"
    least = abs(float(np.sum(differences))) - ROUNDING * size
    if least <= 0.0:
        return TestResult(mean, 1.0, n, what)
    if n > MOST_VALUES_COUNTED:
        steps = np.rint(differences * (STEPS_A_VALUE * n / size))
        # With a coin for a sign: those that come up plus make half of the sum of all and the signed sum.
        half = round(float(np.sum(np.abs(steps)) + abs(np.sum(steps)))) // 2
        p = min(1.0, 2.0 * _chance_of_sum(np.abs(steps), half))
        return TestResult(mean, p, n, f"{what}, each rounded to 1/{STEPS_A_VALUE} of their mean size")
    half = n // 2
    beyond = _pairs_from(_signed_sums(differences[:half]), _signed_sums(differences[half:]), least)
    return TestResult(mean, min(1.0, 2.0 * beyond / 2.0**n), n, what)


def _subset_sums(values: FloatArray) -> list[FloatArray]:
    """Sums of all subsets by the size of the subset, from none to all."""
    by_size = [np.zeros(1)]
    for value in values:
        longer = [np.zeros(0), *(sums + value for sums in by_size)]
        by_size = [np.concatenate(two) for two in zip([*by_size, np.zeros(0)], longer, strict=True)]
    return by_size


@lru_cache(maxsize=SIZES_KEPT)
def _drawn_sides(values: int, side: int) -> FloatArray:
    """For each arrangement drawn 1 for the values on a side that takes so many of them, else 0: the same for all pairs
    of as many launches, since drawing takes twenty times as long as using them."""
    generator, sides = np.random.default_rng(SEED), np.zeros((ARRANGEMENTS_DRAWN, values))
    for row in sides:
        row[generator.permutation(values)[:side]] = 1.0
    return sides


def label_exchange(a: FloatArray, b: FloatArray) -> TestResult:
    """Two-sided permutation test of the difference of means of two independent samples; the statistic is a - b.

    Under no difference every way to call len(a) of all values a is as likely. Exact up to MOST_VALUES_COUNTED values in
    all, drawn with a fixed seed beyond. Needs at least one value a side.
    """
    difference, n = float(np.mean(a) - np.mean(b)), min(len(a), len(b))
    what = "permutation test on log launch medians"
    pooled = np.concatenate((a, b))
    centred = pooled - np.mean(pooled)
    # With a mean of 0 the difference of means is the sum of side a, but for a factor.
    rounding = ROUNDING * float(np.sum(np.abs(centred)))
    own = float(np.sum(centred[: len(a)]))
    if len(pooled) > MOST_VALUES_COUNTED:
        drawn = _drawn_sides(len(pooled), len(a)) @ centred
        tails = [1 + int(np.count_nonzero(sign * drawn >= sign * own - rounding)) for sign in (1.0, -1.0)]
        p = min(1.0, 2.0 * min(tails) / (ARRANGEMENTS_DRAWN + 1))
        return TestResult(difference, p, n, f"{what}, {ARRANGEMENTS_DRAWN} seeded arrangements")
    least = abs(own) - rounding
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
