"""Verdicts against a margin: worked cases, edges, families, and the promise that few of them are false."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.comparison.decision import Candidate, beyond, decide, judge, judge_all, outcome, withheld
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.power import MANN_WHITNEY
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN
from comparison_case import launch_values

CAMPAIGNS = int(os.environ.get("BENCHMARK_RUNNER_CAMPAIGNS", "300"))
FEW = 60
"""Campaigns where a rate is far from its limit."""


def most_false(campaigns: int) -> int:
    """Upper bound of a 5 % rate at 99 % confidence."""
    return int(stats.binom.ppf(0.99, campaigns, 0.05))


def candidate(before, after, metric: str = "e2e_ms", **options) -> Candidate:
    return Candidate(
        "engine", "latency_test", "case_1", BY_NAME[metric], np.asarray(before), np.asarray(after), **options
    )


def verdict(before, after, metric: str = "e2e_ms", margin: float = EQUIVALENCE_MARGIN, **options) -> str:
    return judge([candidate(before, after, metric, **options)], gates=True, margin=margin, level=0.95)[0].verdict


@pytest.mark.parametrize(
    ("slower_by", "expected"),
    [(1.10, "regression"), (1.03, "regression"), (1.0, "no_regression"), (1.01, "no_regression"), (0.9, "improved")],
)
def test_a_time_is_judged_by_how_much_longer_it_takes(slower_by, expected):
    assert verdict(launch_values(100.0), launch_values(100.0 * slower_by, turn=0.05)) == expected


@pytest.mark.parametrize(("factor", "expected"), [(0.9, "regression"), (1.0, "no_regression"), (1.1, "improved")])
def test_of_a_throughput_less_is_worse(factor, expected):
    assert verdict(launch_values(50.0), launch_values(50.0 * factor, turn=0.05), "decode_tokens_per_s") == expected


def test_a_loss_of_exactly_the_margin_decides_nothing():
    assert verdict(launch_values(100.0), launch_values(102.0, turn=0.05)) == "cannot_tell"


def test_the_margin_is_that_of_the_caller():
    before, after = launch_values(100.0), launch_values(104.0, turn=0.05)
    assert verdict(before, after, margin=0.02) == "regression"
    assert verdict(before, after, margin=0.05) == "no_regression"
    assert verdict(before, after, margin=0.04) == "cannot_tell"


def test_launches_that_vary_too_much_allow_both_answers_and_say_how_many_would_not():
    wide = candidate(launch_values(100.0, sd=0.05), launch_values(100.0, sd=0.05, turn=0.3))
    finding = judge([wide], gates=True, margin=0.02, level=0.95)[0]
    assert finding.verdict == "cannot_tell"
    assert finding.reason == "the data allow a loss of more than 2 %, and none"
    assert finding.launches_needed is not None and finding.launches_needed > 10
    more = judge([finding.candidate], gates=True, margin=0.10, level=0.95)[0]
    assert more.launches_needed is None or more.launches_needed < finding.launches_needed


def test_the_bounds_lie_on_the_scale_of_the_ratio():
    finding = judge([candidate(launch_values(100.0), launch_values(90.0))], gates=True, margin=0.25, level=0.95)[0]
    assert finding.judgement.ratio.point == pytest.approx(100 / 90)
    assert finding.against_loss.ratio.point == pytest.approx(100 / 90 * 1.25)
    assert finding.against_gain.ratio.point == pytest.approx(100 / 90 / 1.25)


def test_the_interval_alone_does_not_make_a_verdict_without_the_other_test():
    # One far launch a side: the t interval of 6 against 6 lies beyond the bound, while ranks overlap too much.
    before = np.array([100.0, 100.1, 100.2, 100.3, 100.4, 104.6])
    after = np.array([104.5, 104.6, 104.7, 104.8, 104.9, 100.5])
    finding = judge([candidate(before, after)] * 2, gates=True, margin=0.001, level=0.70)[0]
    interval = finding.against_loss.comparison.simultaneous
    assert interval.high < 1.0
    assert finding.against_loss.p_bonferroni[MANN_WHITNEY] > 0.05
    strict = judge([candidate(before, after)] * 4, gates=True, margin=0.001, level=0.90)[0]
    assert strict.verdict == "cannot_tell"
    assert beyond(strict.against_loss) == 0


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ([], [], "no launch of engine after ended ok here with a value"),
        ([100.0] * 5, [], "no launch of engine after ended ok here with a value"),
        ([], [100.0] * 5, "no launch of engine before ended ok here with a value"),
        ([100.0], [90.0], "1 launch: at least 3 are needed"),
        ([100.0, 101.0], [200.0, 201.0], "too few launches: 2, at least 3 are needed"),
        (
            [100.0, 101.0, 102.0],
            [200.0, 201.0, 202.0],
            "too few launches: 3 cannot reach significance over 1 comparison, 4 can",
        ),
        ([100.0] * 10, [200.0] * 10, "launches do not vary at all, so there is nothing to judge the difference by"),
        ([100.0] * 10, [100.0] * 10, "launches do not vary at all, so there is nothing to judge the difference by"),
        ([0.0] * 10, [1.0] * 10, "a launch value is not positive, so there is no ratio"),
        ([math.nan] * 10, [1.0] * 10, "a launch value is not a number"),
    ],
)
def test_what_is_not_sound_is_no_verdict(before, after, reason):
    finding = judge([candidate(before, after)], gates=True, margin=0.02, level=0.95)[0]
    assert (finding.verdict, finding.reason) == ("cannot_tell", reason)


def test_what_must_not_be_compared_is_no_verdict_however_clear_the_times_are():
    assert verdict(launch_values(100.0), launch_values(200.0), excluded="the prompts differ") == "cannot_tell"


def test_every_comparison_is_marked_unpaired_and_outliers_that_matter_too():
    before, after = launch_values(100.0), launch_values(100.0, turn=0.05)
    kept = {"kept_before": before, "kept_after": 2 * after}
    assert judge([candidate(before, after, **kept)], gates=True, margin=0.02, level=0.95)[0].qualifiers == (
        "unpaired",
        "outlier_sensitive",
    )


def test_a_larger_family_needs_more_than_a_smaller_one():
    one = candidate(launch_values(100.0, n=5), launch_values(110.0, n=5, turn=0.05))
    assert judge([one] * 6, gates=True, margin=0.02, level=0.95)[0].verdict == "regression"
    found = judge([one] * 7, gates=True, margin=0.02, level=0.95)[0]
    assert found.tests == 7
    assert (found.verdict, found.reason) == (
        "cannot_tell",
        "too few launches: 5 cannot reach significance over 7 comparisons, 6 can",
    )


def test_gating_metrics_are_one_family_and_each_other_metric_one_of_its_own():
    sides = launch_values(10.0), launch_values(10.0, turn=0.1)
    made = [candidate(*sides, name) for name in ("e2e_ms", "ttft_ms", "load_ms")] * 2
    found = judge_all(made, ("e2e_ms", "ttft_ms"), margin=0.02, level=0.95)
    assert [(one.candidate.metric.name, one.gates, one.tests) for one in found[::2]] == [
        ("e2e_ms", True, 4),
        ("e2e_ms", True, 4),
        ("load_ms", False, 2),
    ]
    assert len(found) == len(made)


def test_a_withheld_finding_keeps_its_numbers_and_loses_its_verdict():
    found = judge([candidate(launch_values(100.0), launch_values(110.0))], gates=True, margin=0.02, level=0.95)[0]
    assert found.verdict == "regression"
    held = withheld(found, "the control differs", "control_differs")
    assert (held.verdict, held.reason, held.judgement) == ("cannot_tell", "the control differs", found.judgement)
    assert "control_differs" in held.qualifiers


@pytest.mark.parametrize(
    ("at_loss", "at_gain", "expected"),
    [
        (-1, -1, "regression"),
        (-1, 0, "regression"),
        (0, 0, "cannot_tell"),
        (0, -1, "cannot_tell"),
        (1, 0, "no_regression"),
        (1, -1, "no_regression"),
        (1, 1, "improved"),
    ],
)
def test_the_verdict_follows_from_the_two_sides(at_loss, at_gain, expected):
    assert decide(at_loss, at_gain) == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["no_regression", "improved"], "no_regression"),
        (["no_regression", "cannot_tell"], "cannot_tell"),
        (["cannot_tell", "regression", "improved"], "regression"),
        ([], "cannot_tell"),
    ],
)
def test_a_regression_anywhere_outweighs_a_doubt_anywhere(verdicts, expected):
    assert outcome(verdicts) == expected


def claims(ratio: float, campaigns: int = CAMPAIGNS, *, pooled: bool = False, seed: int = 7) -> dict[str, int]:
    """Campaigns of two cells in which a verdict was claimed at all, by verdict; after is `ratio` times as good."""
    rng = np.random.default_rng(seed)
    counts = dict.fromkeys(("regression", "no_regression", "improved"), 0)
    for _ in range(campaigns):
        sides = [
            100.0
            * np.exp(rng.normal(0.0, 0.01, (2, 10))[:, :, None] + rng.normal(0.0, 0.015, (2, 10, 10)))
            / (1.0 if side == 0 else ratio)
            for side in (0, 1)
        ]
        values = [side.reshape(2, -1) if pooled else np.median(side, axis=2) for side in sides]
        cells = [candidate(values[0][cell], values[1][cell]) for cell in range(2)]
        found = {one.verdict for one in judge(cells, gates=False, margin=0.02, level=0.95)}
        for verdict_word in counts:
            counts[verdict_word] += verdict_word in found
    return counts


def test_at_a_loss_of_exactly_the_margin_a_verdict_is_rare_either_way():
    found = claims(1 / 1.02)
    assert found["regression"] + found["no_regression"] <= most_false(CAMPAIGNS)
    assert found["improved"] == 0


def test_without_a_change_a_regression_or_an_improvement_is_rare():
    found = claims(1.0, FEW)
    assert found["regression"] + found["improved"] <= most_false(FEW)


def test_a_clear_change_is_seen():
    assert claims(1 / 1.08, FEW)["regression"] > 0.9 * FEW
    assert claims(1.08, FEW)["improved"] > 0.9 * FEW


def test_pooled_iterations_fail_the_same_check():
    found = claims(1 / 1.02, 20, pooled=True)
    assert found["regression"] + found["no_regression"] > most_false(20)
