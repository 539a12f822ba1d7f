"""Do an engine's draws follow the softmax that it was asked to draw from?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from benchmark_runner.checked import FAIL, NOT_CHECKABLE

DRAWS: Final = 500
"""First tokens drawn: an engine that ignores its temperature or top_p is then far outside (chosen)."""

ALPHA: Final = 1e-4
"""Probability of calling a right engine wrong. Chosen: a false alarm strikes an engine out, so that even of a thousand
campaigns with ten engines each only one may see it; a sampler that is wrong lies many orders of magnitude below."""

LEAST_EXPECTED: Final = 5.0
"""Draws expected in each class, below which chi-squared is no good approximation (Cochran 1954)."""


@dataclass(frozen=True)
class Sampling:
    """What the draws of an engine showed."""

    result: str
    """pass, fail, not checkable, or not asked where no workload samples."""
    reason: str
    temperature: float | None = None
    top_p: float | None = None
    draws: int = 0
    classes: int | None = None
    statistic: float | None = None
    p_value: float | None = None


def probabilities(logits: NDArray[np.float32], temperature: float, top_p: float) -> NDArray[np.float64]:
    """Softmax [vocabulary] of logits over temperature, cut to the smallest set whose probability reaches top_p."""
    scaled = logits.astype(np.float64) / temperature
    weights: NDArray[np.float64] = np.exp(scaled - scaled.max())
    weights /= weights.sum()
    if top_p < 1:
        order = np.argsort(-weights, kind="stable")
        size = int(np.searchsorted(np.cumsum(weights[order]), top_p)) + 1
        weights[order[size:]] = 0.0
        weights /= weights.sum()
    return weights


def entropy(distribution: NDArray[np.float64]) -> float:
    """Entropy, unit: nats: how much draws from it can tell."""
    positive = distribution[distribution > 0]
    return float(-(positive * np.log(positive)).sum())


def classes(distribution: NDArray[np.float64], draws: int) -> list[list[int]]:
    """Ids in classes of at least LEAST_EXPECTED expected draws: the likeliest alone, all others together.

    Ids that cannot be drawn are in none.
    """
    order = [int(token) for token in np.argsort(-distribution, kind="stable") if distribution[token] > 0]
    alone = [token for token in order if distribution[token] * draws >= LEAST_EXPECTED]
    rest = order[len(alone) :]
    found = [[token] for token in alone]
    if rest and (sum(distribution[token] for token in rest) * draws >= LEAST_EXPECTED or not found):
        found.append(rest)
    elif rest:
        found[-1] += rest
    return found


def judge_draws(
    drawn: Sequence[int], distribution: NDArray[np.float64], *, temperature: float, top_p: float
) -> Sampling:
    """Chi-squared test of first tokens against the distribution from which they were to be drawn."""
    groups, counts = classes(distribution, len(drawn)), Counter(drawn)

    def found(result: str, reason: str, **numbers: Any) -> Sampling:
        return Sampling(result, reason, temperature, top_p, len(drawn), len(groups), **numbers)

    impossible = sorted(token for token in counts if distribution[token] == 0)
    if impossible:
        return found(FAIL, f"it drew id {impossible[0]}, which top_p {top_p:g} excludes")
    if len(groups) < 2:
        return found(NOT_CHECKABLE, "nearly all probability lies on one token, so draws tell nothing")
    observed = [sum(counts[token] for token in group) for group in groups]
    expected = np.array([distribution[group].sum() for group in groups]) * len(drawn)
    test = chisquare(observed, expected * (len(drawn) / expected.sum()))
    p_value, statistic = float(test.pvalue), float(test.statistic)
    how = f"{len(drawn)} first tokens at temperature {temperature:g} in {len(groups)} classes: p = {p_value:.2g}"
    if p_value < ALPHA:
        return found(FAIL, f"{how}, below {ALPHA:g}", statistic=statistic, p_value=p_value)
    return found("pass", how, statistic=statistic, p_value=p_value)
