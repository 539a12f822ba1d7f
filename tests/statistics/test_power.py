"""Power and reachability: hand-worked counts, statsmodels as witness, and what no design can find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from benchmark_runner.statistics import power


@pytest.mark.parametrize(
    ("tests", "launches"),
    [
        (1, 4),  # 2 / C(8, 4) = 2/70 = .029; at three launches 2/20 = .1
        (10, 6),  # 20 / C(12, 6) = 20/924 = .022; at five 20/252 = .079
        (100, 8),  # 200 / C(16, 8) = 200/12870 = .016; at seven 200/3432 = .058
    ],
)
def test_fewest_launches_follow_the_number_of_orders(tests: int, launches: int) -> None:
    assert power.fewest_launches(tests) == launches
    assert power.can_reach(launches, launches, tests)
    assert not power.can_reach(launches - 1, launches - 1, tests)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 3), (4, 4), (5, 4), (10, 10)])
def test_smallest_p_is_what_scipy_gives_for_complete_separation(a: int, b: int) -> None:
    witness = stats.mannwhitneyu(np.arange(a), 100.0 + np.arange(b), method="exact").pvalue
    assert power.smallest_p(a, b) == pytest.approx(witness, rel=1e-12)


@pytest.mark.parametrize("launches", [514, 516, 900, 1000])
@pytest.mark.parametrize("second", ["mann_whitney_u", "permutation"])
def test_any_number_of_launches_can_be_counted(launches: int, second: power.SecondTest) -> None:
    assert 0.0 <= power.smallest_p(launches, launches - 1, second, paired=False) < 1e-3
    assert power.smallest_p(launches, launches, second) <= power.smallest_p(500, 500, second)
    assert power.can_reach(launches, launches, 100, 0.04, second)
    assert power.can_reach(launches, launches, 100, 0.04, second, paired=False)


def test_an_empty_side_can_reach_nothing() -> None:
    assert power.smallest_p(0, 5) == 1.0
    assert not power.can_reach(0, 5, 1)


@pytest.mark.parametrize(("tests", "alpha"), [(0, 0.05), (1, 0.0), (1, 1.0)])
def test_a_family_or_level_that_means_nothing_is_refused(tests: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        power.fewest_launches(tests, alpha)


def test_family_counts_all_pairs_in_all_cells() -> None:
    assert power.family_size(5, 10) == 100
    assert power.family_size(2, 2) == 2
    assert power.family_size(1, 4) == 0


@pytest.mark.parametrize("launches", [3, 5, 10, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_power_agrees_with_statsmodels_wherever_that_has_an_answer(launches: int, alpha: float) -> None:
    for effect in (0.1, 0.5, 1.0, 2.0):
        witness = float(TTestPower().power(effect, launches, alpha, alternative="two-sided"))
        if not math.isnan(witness):
            assert power.paired_t_power(effect, 1.0, launches, alpha) == pytest.approx(witness, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.002])
@pytest.mark.parametrize("launches", [3, 10, 30])
def test_the_power_to_find_nothing_is_alpha(launches: int, alpha: float) -> None:
    assert power.paired_t_power(0.0, 1.0, launches, alpha) == pytest.approx(alpha, rel=1e-9)


def test_power_agrees_with_simulation() -> None:
    rng = np.random.default_rng(7)
    differences = rng.normal(0.05, 0.05, (4000, 8))
    found = float(np.mean(stats.ttest_1samp(differences, 0.0, axis=1).pvalue <= 0.05))
    assert power.paired_t_power(0.05, 0.05, 8, 0.05) == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize(("launches", "tests"), [(3, 1), (5, 2), (10, 20), (30, 100)])
def test_the_smallest_detectable_ratio_has_exactly_the_promised_power(launches: int, tests: int) -> None:
    ratio = power.smallest_detectable_ratio(launches, 0.04, tests)
    assert ratio is not None
    spread = math.sqrt(2.0) * power.log_sd(0.04)
    assert power.paired_t_power(math.log(ratio), spread, launches, 0.05 / tests) == pytest.approx(0.8, abs=1e-5)


def test_more_launches_find_smaller_ratios() -> None:
    ratios = [power.smallest_detectable_ratio(n, 0.04, 10) for n in (3, 5, 10, 30)]
    assert all(ratio is not None for ratio in ratios)
    assert ratios == sorted(ratios, key=lambda ratio: -(ratio or 0.0))


def test_one_launch_detects_nothing_and_no_spread_detects_everything() -> None:
    assert power.smallest_detectable_ratio(1, 0.04) is None
    assert power.smallest_detectable_ratio(5, 0.0) == 1.0


def test_a_level_that_the_spread_cannot_meet_has_no_detectable_ratio() -> None:
    assert power.smallest_detectable_ratio(2, 0.5, tests=1000) is None


def test_launches_to_detect_is_the_least_that_has_the_power() -> None:
    needed = power.launches_to_detect_ratio(1.03, power.sd_of_log_ratios(0.02), tests=2)
    assert needed is not None
    spread = math.sqrt(2.0) * power.log_sd(0.02)
    assert power.paired_t_power(math.log(1.03), spread, needed, 0.025) >= 0.8
    assert power.paired_t_power(math.log(1.03), spread, needed - 1, 0.025) < 0.8


def test_a_large_difference_still_needs_the_launches_of_the_exact_test() -> None:
    assert power.launches_to_detect_ratio(3.0, power.sd_of_log_ratios(0.01), tests=10) == 6
    assert power.launches_to_detect_ratio(3.0, power.sd_of_log_ratios(0.0), tests=1) == 4


def test_no_number_of_launches_separates_equals_or_what_drowns_in_spread() -> None:
    assert power.launches_to_detect_ratio(1.0, power.sd_of_log_ratios(0.04)) is None
    assert power.launches_to_detect_ratio(1.0001, power.sd_of_log_ratios(0.5)) is None


@pytest.mark.parametrize("launches", [41, 100, 501, 1000, 10_000])
def test_power_of_many_launches_is_that_of_ten_times_as_many_points(
    launches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = [size / math.sqrt(launches) for size in (0.0, 2.0, 4.0, 5.0)]
    found = [power.paired_t_power(effect, 1.0, launches, 5e-5) for effect in effects]
    monkeypatch.setattr(power, "QUADRATURE_POINTS", 400_001)
    assert found == pytest.approx([power.paired_t_power(effect, 1.0, launches, 5e-5) for effect in effects], abs=1e-12)
