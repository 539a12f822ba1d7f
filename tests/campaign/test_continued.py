"""More launches later do as many iterations each as those that are there."""

from __future__ import annotations

import pytest

from benchmark_runner.campaign.continued import iterations_per_launch


@pytest.mark.parametrize(
    ("total", "launches", "records", "expected"),
    [
        (100, 10, {}, 10),
        (100, 3, {}, 34),
        (100, 20, {10: 30}, 10),
        (100, 20, {10: 3, 5: 2}, 10),
        (100, 20, {10: 3, 5: 3}, 5),
        (100, 20, {10: 4, 20: 4}, 20),
        # No share of fewer launches, so it was another campaign; and never fewer than the total asks for.
        (100, 20, {11: 30}, 5),
        (100, 5, {10: 30}, 20),
        (1, 1000, {}, 1),
    ],
)
def test_iterations_of_a_launch_are_those_of_most_records_that_reach_the_total(total, launches, records, expected):
    assert iterations_per_launch(total, launches, lambda n: records.get(n, 0)) == expected
