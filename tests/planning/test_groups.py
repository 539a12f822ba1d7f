"""What the plan says of a campaign until decided."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.planning.groups import expected_launches, group_lines
from benchmark_runner.statistics.planned import PlannedLook
from benchmark_runner.statistics.power import sd_of_log_ratios

LOOKS = [PlannedLook(5, 0.05), PlannedLook(10, 0.15), PlannedLook(20, 0.6)]
SPREAD = sd_of_log_ratios(0.04)


def lines(tmp_path, until, tests=10, test="paired_t") -> dict[str, str]:
    rows = [
        {
            "position": n,
            "block": 1,
            "engine": name,
            "workload": "w",
            "identity": "0" * 12,
            "folder": str(tmp_path / name),
        }
        for n, name in enumerate("abcde", start=1)
    ]
    plan = {
        "campaign": {"launches": 5, "until": until},
        "power": {"tests": tests, "alpha": 0.05, "cv": 0.04, "significance_test": test},
        "order": rows,
        "engines": [],
        "workloads": [{"name": "w", "cases": [{}]}],
    }
    return dict(group_lines(plan, tmp_path))


def test_a_plan_of_a_fixed_number_of_launches_has_no_groups(tmp_path):
    assert lines(tmp_path, None) == {}


def test_the_plan_says_groups_expected_launches_and_the_most(tmp_path):
    until = {"at_most": 20, "give_up_below": 0.05, "looks": [look._asdict() for look in LOOKS]}
    told = lines(tmp_path, until)
    assert told["groups"].startswith("looks after 5, 10, 20 launches of each engine; what is decided is left out")
    assert "a chance below 5 % is given up" in told["groups"]
    assert re.fullmatch(
        r"launches until a difference is decided, on average: of 20 % \d+, of 10 % \d+, of 5 % \d+", told["expected"]
    )
    assert "of 20 % 5," in lines(tmp_path, until, test="moderated_t")["expected"]  # the other pairs tell the spread
    assert told["at most"] == "100 launches"
    assert "expected" not in lines(tmp_path, until, tests=0)


@pytest.mark.parametrize("ratio", [1.04, 1.07, 1.15])
def test_the_expected_launches_are_those_of_campaigns_by_the_t_test(ratio):
    rng = np.random.default_rng(12)
    logs = rng.normal(np.log(ratio), SPREAD, (4000, LOOKS[-1].launches))
    used = np.full(len(logs), float(LOOKS[-1].launches))
    for look in reversed(LOOKS[:-1]):
        p = stats.ttest_1samp(logs[:, : look.launches], 0.0, axis=1).pvalue
        used[p <= 0.05 * look.share / 3] = look.launches
    found = expected_launches(ratio, SPREAD, LOOKS, 3, 0.05)
    assert used.mean() - 0.2 <= found <= used.mean() + 1.0


def test_a_larger_difference_takes_fewer_launches():
    found = [expected_launches(ratio, SPREAD, LOOKS, 10, 0.05) for ratio in (1.02, 1.05, 1.1, 1.5)]
    assert found == sorted(found, reverse=True) and 5.0 <= found[-1] < 10.0
