"""What the recipe promises, checked on seeded campaigns: false positives, coverage, power.

300 campaigns by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.hypotheses import bonferroni, paired_log_ratio
from benchmark_runner.statistics.power import DEFAULT_POWER, detectable_ratio, sd_of_log_ratios
from benchmark_runner.statistics.verdicts import Judgement, judge_family
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, campaign, told


def judge(times: FloatArray) -> list[Judgement]:
    """All pairs of a campaign's engines, judged as the stage does it."""
    medians = np.median(times, axis=2)
    pairs = [
        Pair(str(b), str(a), medians[b], medians[a], sign=-1.0)
        for a in range(len(medians))
        for b in range(a + 1, len(medians))
    ]
    return judge_family(pairs, 1.0 - ALPHA)


def significant(one: Judgement) -> bool:
    """Whether the t test of a pair reaches alpha after correction."""
    return one.p_holm is not None and one.p_holm <= ALPHA


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
    false = sum(any(significant(one) for one in judged) for _, judged in same_engines())
    told("rejections by the corrected paired t test", false)
    assert false <= MOST_FALSE_POSITIVES


def test_same_engines_are_told_apart_by_mann_whitney_no_more_often_than_stated() -> None:
    false = sum(any(one.p_bonferroni["mann_whitney_u"] <= ALPHA for one in judged) for _, judged in same_engines())
    told("rejections by the corrected Mann-Whitney test", false)
    assert false <= MOST_FALSE_POSITIVES


def test_same_engines_are_hardly_ever_ordered_with_certainty() -> None:
    false = sum(any(one.verdict in CERTAIN for one in judged) for _, judged in same_engines())
    told("campaigns with a verdict that is certain", false)
    told("campaigns that name a faster engine", sum(any(one.faster for one in judged) for _, judged in same_engines()))
    assert false <= MOST_FALSE_POSITIVES


def test_pooled_iterations_fail_the_same_check() -> None:
    """The negative control: Mann-Whitney on iterations as if they were independent."""
    pooled = np.stack([times.reshape(len(times), -1) for times, _ in same_engines()])
    p_values = np.stack(
        [
            stats.mannwhitneyu(pooled[:, a], pooled[:, b], axis=1, method="asymptotic").pvalue
            for a, b in itertools.combinations(range(pooled.shape[1]), 2)
        ]
    )
    false = int(np.sum(np.min(p_values, axis=0) * len(p_values) <= ALPHA))
    told("rejections by Mann-Whitney on pooled iterations", false)
    assert false > 3 * MOST_FALSE_POSITIVES


def test_engine_after_engine_on_a_drifting_machine_fails_the_same_check() -> None:
    """The second negative control: sound tests, but launches without blocks."""
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(CAMPAIGNS):
        logs = np.log(np.median(campaign(rng, blocked=False), axis=2))
        p_values = [paired_log_ratio(a - b).test().p for a, b in itertools.combinations(logs, 2)]
        # Holm's smallest p is Bonferroni's.
        false += bonferroni(min(p_values), len(p_values)) <= ALPHA
    told("rejections when engine runs after engine", false)
    assert false > 2 * MOST_FALSE_POSITIVES


@pytest.mark.parametrize(("ratio", "seed"), [(1.0, 12), (1.3, 11)])
def test_the_interval_of_the_ratio_covers_the_truth(ratio: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(CAMPAIGNS):
        estimate = judge(campaign(rng, engines=2, ratio=1.0 / ratio))[0].ratio
        covered += estimate is not None and estimate.low <= ratio <= estimate.high
    low, high = (int(stats.binom.ppf(q, CAMPAIGNS, 1.0 - ALPHA)) for q in (0.005, 0.995))
    told(f"intervals that cover a ratio of {ratio}", covered)
    assert low <= covered <= high


def test_the_simultaneous_intervals_cover_all_truths_together() -> None:
    covered = sum(
        all(
            one.comparison is not None and one.comparison.simultaneous.low <= 1.0 <= one.comparison.simultaneous.high
            for one in judged
        )
        for _, judged in same_engines()
    )
    told("simultaneous intervals that cover all three ratios", covered)
    assert covered >= CAMPAIGNS - MOST_FALSE_POSITIVES


def test_power_is_what_the_plan_promises() -> None:
    rng = np.random.default_rng(13)
    # Launch medians vary by the launches' own spread and by that of a median of 10: pi / 2 of a mean's variance.
    spread = sd_of_log_ratios(math.sqrt(math.expm1(0.02**2 + math.pi / 2 * 0.03**2 / 10)))
    ratio = detectable_ratio(10, spread, power=DEFAULT_POWER)
    assert ratio is not None
    found = sum(significant(judge(campaign(rng, engines=2, ratio=ratio))[0]) for _ in range(CAMPAIGNS))
    told(f"differences of {ratio - 1.0:.1%} found, where the plan promises {DEFAULT_POWER:.0%}", found)
    tolerance = max(0.05, 3.0 * math.sqrt(DEFAULT_POWER * (1.0 - DEFAULT_POWER) / CAMPAIGNS))
    assert found / CAMPAIGNS == pytest.approx(DEFAULT_POWER, abs=tolerance)


def test_a_true_difference_is_meaningful_with_enough_launches() -> None:
    rng = np.random.default_rng(17)
    verdicts = [judge(campaign(rng, engines=2, ratio=1.3))[0].verdict for _ in range(50)]
    assert verdicts.count("meaningfully_faster") >= 49
