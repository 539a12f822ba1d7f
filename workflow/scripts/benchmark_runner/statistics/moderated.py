"""The moderated t test: a pair's variance, shrunk towards that of all pairs of its campaign.

Ten launches say little of one pair's spread, and many pairs together a lot. limma's empirical Bayes (Smyth 2004, Stat.
Appl. Genet. Mol. Biol. 3, Article 3) takes true variances as scaled inverse chi-square around a common one, reads from
the seen ones how alike they are, and so adds degrees of freedom to each pair's own. docs/method.md has the derivation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import digamma, zeta

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Evidence
from benchmark_runner.statistics.hypotheses import LogRatio
from benchmark_runner.statistics.schemes import MODERATED_T, PAIRED_T

MOST_DF: Final = 20.0
"""Degrees of freedom that the other pairs may count for. Chosen: pairs share engines, so that they know less of each
other than as many independent ones, and a campaign has too few to tell that they are all alike."""

LEAST_OF_MEDIAN: Final = 1e-5
"""Smallest variance, relative to the median, whose logarithm is taken; limma's, against pairs that hardly vary."""

STEPS: Final = 50
CONVERGED: Final = 1e-8
"""Of Newton's method, which takes five or six steps; both limma's."""


@dataclass(frozen=True)
class Prior:
    """What the pairs of a campaign say of any one's variance of log differences: its size, and for how many degrees of
    freedom that counts; 0 where they say nothing."""

    variance: float
    df: float


NOTHING_KNOWN: Final = Prior(0.0, 0.0)


def _trigamma(x: float) -> float:
    return float(zeta(2.0, x))


def trigamma_inverse(value: float) -> float:
    """x with trigamma(x) = value > 0, by Newton's method on 1 / trigamma, which is convex (Smyth 2004, appendix)."""
    x = 0.5 + 1.0 / value
    for _ in range(STEPS):
        tri = _trigamma(x)
        step = tri * (1.0 - tri / value) / (-2.0 * float(zeta(3.0, x)))
        x += step
        if -step / x < CONVERGED:
            break
    return x


def prior_of(pairs: Sequence[LogRatio]) -> Prior:
    """The prior by limma's moments of log variances, from the paired t of all pairs; nothing known of fewer than two.

    The variance of the logarithms, less what chance alone gives them, is trigamma(df / 2) of the prior. Its size is the
    pooled variance: limma takes that only where the variances differ by no more than chance. Taken always it is the
    larger one, which costs no power and keeps the error of engines that vary unequally.
    """
    return prior_of_variances(np.array([pair.variance for pair in pairs]), np.array([pair.df for pair in pairs]))


def prior_of_variances(seen: FloatArray, df: FloatArray) -> Prior:
    """The same from the variances of pairs and their degrees of freedom."""
    if len(seen) < 2:
        return NOTHING_KNOWN
    halves = df / 2.0
    logs = np.log(np.maximum(seen, LEAST_OF_MEDIAN * np.median(seen))) - digamma(halves) + np.log(halves)
    beyond_chance = float(np.var(logs, ddof=1) - np.mean(zeta(2.0, halves)))
    known = 2.0 * trigamma_inverse(beyond_chance) if beyond_chance > 0.0 else math.inf
    return Prior(float(np.average(seen, weights=halves)), min(known, MOST_DF))


def moderate(own: LogRatio, prior: Prior) -> LogRatio:
    """The log ratio with the pair's variance shrunk towards the prior: the mean of both, weighted by their degrees of
    freedom, which add up."""
    df = own.df + prior.df
    variance = (own.df * own.variance + prior.df * prior.variance) / df
    return replace(
        own,
        standard_error=math.sqrt(variance / own.n),
        df=df,
        method="moderated t on log ratios of launch medians",
        equivalence_method="two one-sided moderated t tests on log ratios",
    )


def prior_from(evidence: Iterable[Evidence]) -> Prior:
    """The prior from what was found of all pairs of a campaign in one metric; unpaired ones have no part in it."""
    return prior_of([one.t[PAIRED_T] for one in evidence if PAIRED_T in one.t])


def moderated(evidence: Iterable[Evidence], prior: Prior) -> list[Evidence]:
    """The evidence with the moderated t test of each pair that has a paired one."""
    return [
        replace(one, t={**one.t, MODERATED_T: moderate(one.t[PAIRED_T], prior)}) if PAIRED_T in one.t else one
        for one in evidence
    ]
