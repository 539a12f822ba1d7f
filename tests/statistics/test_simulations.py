"""What the recipe promises, checked on seeded campaigns: false positives, coverage, power.

300 campaigns by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.power import paired_t_power, sd_of_log_ratios
from benchmark_runner.statistics.verdicts import CERTAIN, Judgement, judge_family
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, FloatArray, campaign


def judge(times: FloatArray) -> list[Judgement]:
    """All pairs of a campaign's engines, judged as the stage does it."""
    medians = np.median(times, axis=2)
    pairs = [
        Pair(str(b), str(a), medians[b], medians[a], sign=-1.0)
        for a in range(len(medians))
        for b in range(a + 1, len(medians))
    ]
    return judge_family(pairs, 1.0 - ALPHA)


@cache
def same_engines() -> tuple[tuple[FloatArray, tuple[Judgement, ...]], ...]:
    """A/A campaigns with their judgements."""
    rng = np.random.default_rng(2024)
    found = []
    for _ in range(CAMPAIGNS):
        times = campaign(rng)
        found.append((times, tuple(judge(times))))
    return tuple(found)


def test_same_engines_are_told_apart_by_the_primary_test_no_more_often_than_stated() -> None:
    false = sum(any((one.p_holm or 1.0) <= ALPHA for one in judged) for _, judged in same_engines())
    assert false <= MOST_FALSE_POSITIVES


def test_same_engines_are_told_apart_by_mann_whitney_no_more_often_than_stated() -> None:
    false = sum(any(one.p_bonferroni["mann_whitney_u"] <= ALPHA for one in judged) for _, judged in same_engines())
    assert false <= MOST_FALSE_POSITIVES


def test_same_engines_are_hardly_ever_ordered_with_certainty() -> None:
    false = sum(any(one.verdict in CERTAIN for one in judged) for _, judged in same_engines())
    assert false <= MOST_FALSE_POSITIVES


def test_pooled_iterations_fail_the_same_check() -> None:
    """The negative control: Mann-Whitney on iterations as if they were independent."""
    false = 0
    for times, _ in same_engines():
        pooled = times.reshape(len(times), -1)
        p_values = [
            float(stats.mannwhitneyu(pooled[a], pooled[b], method="asymptotic").pvalue)
            for a in range(len(pooled))
            for b in range(a + 1, len(pooled))
        ]
        false += min(p_values) * len(p_values) <= ALPHA
    assert false > 3 * MOST_FALSE_POSITIVES


def test_engine_after_engine_on_a_drifting_machine_fails_the_same_check() -> None:
    """The second negative control: sound tests, but launches without blocks."""
    rng = np.random.default_rng(7)
    false = sum(
        any((one.p_holm or 1.0) <= ALPHA for one in judge(campaign(rng, blocked=False))) for _ in range(CAMPAIGNS)
    )
    assert false > 2 * MOST_FALSE_POSITIVES


@pytest.mark.parametrize("ratio", [1.0, 1.3])
def test_the_interval_of_the_ratio_covers_the_truth(ratio: float) -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(CAMPAIGNS):
        estimate = judge(campaign(rng, engines=2, ratio=1.0 / ratio))[0].ratio
        covered += estimate is not None and estimate.low <= ratio <= estimate.high
    low, high = (int(stats.binom.ppf(q, CAMPAIGNS, 1.0 - ALPHA)) for q in (0.005, 0.995))
    assert low <= covered <= high


def test_the_simultaneous_intervals_cover_all_truths_together() -> None:
    covered = sum(
        all(
            one.comparison is not None and one.comparison.simultaneous.low <= 1.0 <= one.comparison.simultaneous.high
            for one in judged
        )
        for _, judged in same_engines()
    )
    assert covered >= CAMPAIGNS - MOST_FALSE_POSITIVES


def test_power_is_what_the_plan_promises() -> None:
    rng = np.random.default_rng(13)
    launches, ratio = 10, 1.05
    found = sum(
        (judge(campaign(rng, engines=2, launches=launches, ratio=ratio))[0].p_holm or 1.0) <= ALPHA
        for _ in range(CAMPAIGNS)
    )
    # Launch medians vary by the launches' own spread and by that of a median of 10: pi / 2 of a mean's variance.
    spread = sd_of_log_ratios(math.sqrt(math.expm1(0.02**2 + math.pi / 2 * 0.03**2 / 10)))
    promised = paired_t_power(math.log(ratio), spread, launches, ALPHA)
    tolerance = 0.05 + 2.0 * math.sqrt(promised * (1.0 - promised) / CAMPAIGNS)
    assert found / CAMPAIGNS == pytest.approx(promised, abs=tolerance)


def test_a_true_difference_is_meaningful_with_enough_launches() -> None:
    rng = np.random.default_rng(17)
    verdicts = [judge(campaign(rng, engines=2, ratio=1.3))[0].verdict for _ in range(50)]
    assert verdicts.count("meaningfully_faster") >= 49
