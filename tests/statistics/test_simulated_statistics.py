"""Each statistic on samples of known truth: tests reject as often as they say, intervals cover, effects hit on average.

300 samples by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check. Ten launches, unless the statistic sees
iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.records.tabulate import outlier_flags
from benchmark_runner.statistics import diagnostics, effects, hypotheses
from benchmark_runner.statistics.estimates import Estimate, mean_estimate, typical_estimate
from benchmark_runner.statistics.percentiles import percentile
from benchmark_runner.statistics.permutation import label_exchange, sign_flip
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, told

LAUNCHES = 10
SD = 0.03
MARGIN = math.log1p(hypotheses.EQUIVALENCE_MARGIN)
FEWEST_COVERED, MOST_COVERED = (int(stats.binom.ppf(q, CAMPAIGNS, 1.0 - ALPHA)) for q in (0.005, 0.995))


def logs(rng: np.random.Generator, count: int, mean: float = 0.0, sd: float = SD) -> FloatArray:
    return rng.normal(mean, sd, (CAMPAIGNS, count))


def rejected(what: str, p_values: Sequence[float]) -> int:
    found = sum(p <= ALPHA for p in p_values)
    told(what, found)
    return found


def covered(what: str, estimates: Sequence[Estimate | None], truth: float) -> int:
    found = sum(one is not None and one.low <= truth <= one.high for one in estimates)
    told(what, found)
    return found


def near(values: Sequence[float], truth: float) -> bool:
    """Whether the mean of many values lies within four of its standard errors of the truth."""
    return abs(float(np.mean(values)) - truth) <= 4.0 * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _paired(a: FloatArray, b: FloatArray) -> hypotheses.LogRatio:
    return hypotheses.paired_log_ratio(a - b)


@pytest.mark.parametrize(("name", "compare"), [("paired t", _paired), ("Welch", hypotheses.welch_log_ratio)])
def test_equivalence_is_claimed_at_the_margin_no_more_often_than_stated(
    name: str, compare: Callable[[FloatArray, FloatArray], hypotheses.LogRatio]
) -> None:
    rng = np.random.default_rng(41)
    for side in (MARGIN, -MARGIN):
        drawn = zip(logs(rng, LAUNCHES, side, 0.01), logs(rng, LAUNCHES, 0.0, 0.01), strict=True)
        found = rejected(f"equivalence by {name} at the margin", [compare(a, b).equivalence_p() for a, b in drawn])
        assert found <= MOST_FALSE_POSITIVES
        # Not by never claiming it: at these launches one side alone decides.
        assert found >= CAMPAIGNS * ALPHA / 2


def test_welch_keeps_its_level_with_unlike_numbers_and_spreads() -> None:
    rng = np.random.default_rng(43)
    drawn = zip(logs(rng, 5, 0.2, 0.06), logs(rng, 14, 0.0, 0.02), strict=True)
    found = [hypotheses.welch_log_ratio(a, b) for a, b in drawn]
    ratio = math.exp(0.2)
    assert covered("Welch, ratio 1.22", [one.estimate(1.0 - ALPHA) for one in found], ratio) >= FEWEST_COVERED
    same = zip(logs(rng, 5, 0.0, 0.06), logs(rng, 14, 0.0, 0.02), strict=True)
    p_values = [hypotheses.welch_log_ratio(a, b).test().p for a, b in same]
    assert rejected("Welch, no difference", p_values) <= MOST_FALSE_POSITIVES


@pytest.mark.parametrize("digits", [2, 6])
def test_exact_tests_keep_their_level_with_ties_and_without(digits: int) -> None:
    rng = np.random.default_rng(47)
    a, b = logs(rng, LAUNCHES).round(digits), logs(rng, LAUNCHES).round(digits)
    tests: dict[str, Callable[[FloatArray, FloatArray], hypotheses.TestResult]] = {
        "Mann-Whitney": hypotheses.mann_whitney,
        "sign flips": lambda x, y: sign_flip(x - y),
        "labels exchanged": label_exchange,
    }
    for name, test in tests.items():
        p_values = [test(x, y).p for x, y in zip(a, b, strict=True)]
        assert rejected(f"{name}, {digits} digits", p_values) <= MOST_FALSE_POSITIVES


@pytest.mark.parametrize("correction", ["holm", "bonferroni"])
def test_corrections_keep_the_risk_of_a_whole_family(correction: str) -> None:
    """Ten tests, in three of which something is to be found: a false one among the other seven at most once in 20."""
    rng = np.random.default_rng(53)
    true = rng.normal(2.5, 1.0, (CAMPAIGNS, 3))
    p_values = 2.0 * stats.norm.sf(np.abs(np.hstack((true, rng.normal(0.0, 1.0, (CAMPAIGNS, 7))))))
    found = []
    for family in p_values:
        holm = [p for p in hypotheses.holm(list(family), 10) if p is not None]
        corrected = holm if correction == "holm" else [hypotheses.bonferroni(p, 10) for p in family]
        found.append(min(corrected[3:]))
    assert rejected(f"{correction}, seven of ten true", found) <= MOST_FALSE_POSITIVES


def test_intervals_of_one_engine_cover_the_truth() -> None:
    rng = np.random.default_rng(59)
    values = 100.0 * np.exp(logs(rng, LAUNCHES, 0.0, 0.1))
    typical = covered("typical value", [typical_estimate(one, 1.0 - ALPHA) for one in values], 100.0)
    mean = covered("mean", [mean_estimate(one, 1.0 - ALPHA) for one in values], 100.0 * math.exp(0.1**2 / 2.0))
    assert FEWEST_COVERED <= typical <= MOST_COVERED
    # Means of a skewed quantity are a little less normal.
    assert mean >= FEWEST_COVERED - 0.01 * CAMPAIGNS


@pytest.mark.parametrize(("share", "between"), [(0.5, 0.05), (0.9, 0.05), (0.95, 0.0)])
def test_intervals_cover_the_true_percentile(share: float, between: float) -> None:
    rng = np.random.default_rng(20)
    launches, iterations, within = 12, 40, 0.1
    truth = float(np.exp(stats.norm.ppf(share) * math.hypot(between, within)))
    hits = 0
    for _ in range(CAMPAIGNS):
        centres = rng.normal(0.0, between, (launches, 1))
        values = np.exp(centres + rng.normal(0.0, within, (launches, iterations)))
        found = percentile(list(values), np.sort(values.ravel()), share, 0.95)
        above_low = found["low"] is None or found["low"] <= truth
        hits += above_low and (found["high"] is None or truth <= found["high"])
    told(f"p{100 * share:.0f}, launches varying by {between}", hits)
    # Order statistics lie apart: rounded outwards they cover more than asked, never less.
    assert hits >= FEWEST_COVERED


def test_effect_sizes_hit_the_truth_on_average() -> None:
    rng = np.random.default_rng(61)
    shift = 0.8
    a, b = logs(rng, 6, shift, 1.0), logs(rng, 8, 0.0, 1.0)
    pairs = list(zip(a, b, strict=True))
    g = [effects.hedges_g(x, y) for x, y in pairs]
    assert near([one for one in g if one is not None], shift) and None not in g
    deltas = [effects.cliffs_delta(hypotheses.mann_whitney(x, y).statistic, 6, 8) for x, y in pairs]
    assert near(deltas, 2.0 * float(stats.norm.cdf(shift / math.sqrt(2.0))) - 1.0)
    shifts = [effects.hodges_lehmann(x, y) for x, y in pairs]
    assert near(shifts, shift)


def test_diagnostics_of_sound_samples_raise_alarm_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(67)
    medians = np.exp(logs(rng, LAUNCHES))
    normal = [diagnostics.normality(one)["p"] for one in medians]
    assert rejected("normality", normal) <= MOST_FALSE_POSITIVES
    started = np.arange(float(LAUNCHES))
    assert rejected("drift", [diagnostics.drift(one, started)["p"] for one in medians]) <= MOST_FALSE_POSITIVES
    independent = [list(one) for one in rng.normal(100.0, 3.0, (CAMPAIGNS, LAUNCHES, 20))]
    found = rejected("autocorrelation", [diagnostics.ljung_box(one)["p"] for one in independent])
    assert found <= MOST_FALSE_POSITIVES


def test_diagnostics_find_what_is_there() -> None:
    rng = np.random.default_rng(71)
    skewed = np.exp(np.exp(logs(rng, 20, 0.0, 1.0)) / 100.0)
    trend = np.exp(logs(rng, LAUNCHES, 0.0, 0.01) + np.linspace(0.0, 0.06, LAUNCHES))
    shocks = rng.normal(0.0, 1.0, (CAMPAIGNS, LAUNCHES, 21))
    moving = [list(100.0 + one[:, 1:] + 0.5 * one[:, :-1]) for one in shocks]
    alarms = {
        "normality": rejected("skewed", [diagnostics.normality(one)["p"] for one in skewed]),
        "drift": rejected("a trend of two deviations", [diagnostics.drift(one, np.arange(10.0))["p"] for one in trend]),
        "autocorrelation": rejected("r = 0.4", [diagnostics.ljung_box(one)["p"] for one in moving]),
    }
    assert {name: found > 0.8 * CAMPAIGNS for name, found in alarms.items()} == dict.fromkeys(alarms, True)


def test_spread_within_and_between_launches_is_told_apart() -> None:
    """Launches vary by 2, iterations by 3: ICC 4/13; of 10 launches of 12 the effective number is 27.4."""
    rng = np.random.default_rng(73)
    centres = rng.normal(100.0, 2.0, (CAMPAIGNS, LAUNCHES, 1))
    samples = [list(one) for one in centres + rng.normal(0.0, 3.0, (CAMPAIGNS, LAUNCHES, 12))]
    found = [diagnostics.intraclass_correlation(one) for one in samples]
    # The estimator divides two mean squares, which pulls it down by a few hundredths at ten launches.
    assert float(np.mean([one["icc"] for one in found])) == pytest.approx(4 / 13, abs=0.04)
    assert float(np.median([one["effective_n"] for one in found])) == pytest.approx(120 / (1 + 11 * 4 / 13), rel=0.1)
    within = [diagnostics.cv_within(one) for one in samples]
    assert float(np.mean([one for one in within if one is not None])) == pytest.approx(0.03, rel=0.02)
    between = [diagnostics.cv_between(np.array([np.mean(launch) for launch in one])) for one in samples]
    assert float(np.mean([one for one in between if one is not None])) == pytest.approx(
        math.sqrt(4.0 + 9.0 / 12.0) / 100.0, rel=0.04
    )


@pytest.mark.parametrize("count", [8, 10, 30])
def test_normal_iterations_are_flagged_as_often_as_arithmetic_says(count: int) -> None:
    """The distance from the mean in deviations of n normal values is Thompson's tau, whose distribution Student's t
    gives (Thompson 1935, Ann. Math. Statist. 6, 214-219)."""
    rng = np.random.default_rng(79)
    found = sum(int(outlier_flags(one, 2.0).sum()) for one in rng.normal(0.0, 1.0, (CAMPAIGNS, count)))
    scaled = 2.0 * math.sqrt(count / (count - 1))
    t = scaled * math.sqrt((count - 2) / (count - 1 - scaled**2))
    share = 2.0 * float(stats.t.sf(t, count - 2))
    total = CAMPAIGNS * count
    assert found / total == pytest.approx(share, abs=4.0 * math.sqrt(share * (1.0 - share) / total))
