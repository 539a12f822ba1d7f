"""Looking, adding launches and looking again: the rule that spends alpha keeps the promise that full alpha breaks.

300 campaigns by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.power import share_of_alpha
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import Judgement, judge_evidence
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, campaign

LOOKS = (5, 8, 12, 18, 26)
"""Launches at each look: whoever sees nothing adds half as many again."""

Share = Callable[[int], float]


def pairs_at(medians: FloatArray, launches: int, share: float) -> list[Pair]:
    """All pairs of the engines' first launches."""
    engines = range(len(medians))
    return [
        Pair(str(b), str(a), medians[b, :launches], medians[a, :launches], sign=-1.0, share=share)
        for a in engines
        for b in engines
        if b > a
    ]


@cache
def same_engines() -> tuple[tuple[tuple[Pair, ...], tuple[Evidence, ...]], ...]:
    """A/A campaigns of three engines that are looked at five times: pairs and evidence of each look in turn."""
    rng = np.random.default_rng(2025)
    found = []
    for _ in range(CAMPAIGNS):
        medians = np.median(campaign(rng, launches=LOOKS[-1]), axis=2)
        for launches in LOOKS:
            pairs = tuple(pairs_at(medians, launches, 1.0))
            found.append((pairs, tuple(weigh(pair, 1.0 - ALPHA) for pair in pairs)))
    return tuple(found)


def judged(share: Share, scheme: str) -> list[list[Judgement]]:
    """Judgements of all looks of each campaign."""
    campaigns: list[list[Judgement]] = []
    for number, (pairs, evidence) in enumerate(same_engines()):
        look = number % len(LOOKS) + 1
        if look == 1:
            campaigns.append([])
        spending = [
            Pair(one.engine, one.reference, one.values, one.reference_values, one.sign, look=look, share=share(look))
            for one in pairs
        ]
        campaigns[-1] += judge_evidence(spending, evidence, 1.0 - ALPHA, SCHEMES[scheme])
    return campaigns


def ever(share: Share, *, scheme: str = "mann_whitney_u", certain: bool = False) -> int:
    """Campaigns in which any look named a faster engine (or ordered two for certain)."""

    def false(one: Judgement) -> bool:
        return one.verdict in CERTAIN if certain else one.p_holm is not None and one.p_holm <= one.alpha

    return sum(any(false(one) for one in looks) for looks in judged(share, scheme))


def whole(_look: int) -> float:
    """The mistake: all of alpha at every look."""
    return 1.0


@pytest.mark.parametrize("scheme", ["mann_whitney_u", "welch_t"])
def test_five_looks_together_reject_no_more_often_than_one_may(scheme: str) -> None:
    assert ever(share_of_alpha, scheme=scheme) <= MOST_FALSE_POSITIVES


@pytest.mark.parametrize("scheme", ["mann_whitney_u", "permutation", "paired_t", "welch_t"])
def test_five_looks_order_the_same_engine_for_certain_no_more_often_than_one_may(scheme: str) -> None:
    assert ever(share_of_alpha, scheme=scheme, certain=True) <= MOST_FALSE_POSITIVES


def test_all_of_alpha_at_every_look_fails_the_same_check() -> None:
    """The negative control."""
    assert ever(whole) > 1.5 * MOST_FALSE_POSITIVES
    assert ever(whole, scheme="paired_t", certain=True) > 1.5 * MOST_FALSE_POSITIVES


def test_a_true_difference_that_the_first_look_missed_is_found_by_a_later_one() -> None:
    rng = np.random.default_rng(31)
    found = dict.fromkeys(range(1, len(LOOKS) + 1), 0)
    for _ in range(100):
        medians = np.median(campaign(rng, engines=2, launches=LOOKS[-1], ratio=1.04), axis=2)
        for look, launches in enumerate(LOOKS, start=1):
            pairs = pairs_at(medians, launches, share_of_alpha(look))
            evidence = [weigh(pair, 1.0 - ALPHA) for pair in pairs]
            found[look] += judge_evidence(pairs, evidence, 1.0 - ALPHA)[0].verdict in CERTAIN
    assert found[1] < 60 and found[len(LOOKS)] > 90
