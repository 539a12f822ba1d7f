"""The looks that a campaign until decided plans."""

from __future__ import annotations

import itertools
import math

import pytest

from benchmark_runner.statistics.planned import STEP, looks_of_plan, planned_looks
from benchmark_runner.statistics.power import FIRST_SHARE, MANN_WHITNEY, can_reach


@pytest.mark.parametrize("tests", [1, 10, 60])
@pytest.mark.parametrize("at_most", [9, 12, 20, 50])
@pytest.mark.parametrize("second", [None, MANN_WHITNEY])
def test_planned_looks_grow_to_the_most_and_spend_what_one_look_may(tests, at_most, second):
    looks = planned_looks(tests, at_most, 0.05, second)
    ends = [look.launches for look in looks]
    assert ends[-1] == at_most and all(2 <= after - before <= STEP + 1 for before, after in itertools.pairwise(ends))
    assert math.fsum(look.share for look in looks) == pytest.approx(FIRST_SHARE)
    assert all(before.share < after.share for before, after in itertools.pairwise(looks[1:-1]))


def test_the_first_group_has_the_fewest_launches_from_which_a_verdict_can_come():
    first = planned_looks(10, 20, 0.05, MANN_WHITNEY)[0]
    assert can_reach(first.launches, first.launches, 10, 0.05 * first.share)
    less = first.launches - 1
    assert not can_reach(less, less, 10, 0.05 * FIRST_SHARE * (less / 20) ** 2)
    assert planned_looks(10, 20, 0.05, None)[0].launches == 4


def test_few_launches_are_one_look():
    assert [tuple(look) for look in planned_looks(1, 5, 0.05, None)] == [(5, pytest.approx(0.8))]


def test_a_plan_of_a_fixed_number_has_no_planned_look():
    assert looks_of_plan({"launches": 10}) == looks_of_plan({"launches": 10, "until": None}) == ()
