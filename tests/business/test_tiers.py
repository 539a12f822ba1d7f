"""Which limits are kept: by the interval, never by the point."""

from __future__ import annotations

import pytest

from benchmark_runner.business.tiers import limit_result


def estimate(low, high):
    return {"point": 100.0, "low": low, "high": high}


@pytest.mark.parametrize(
    ("found", "better", "result"),
    [
        (estimate(90.0, 120.0), "lower", "kept"),
        (estimate(90.0, 121.0), "lower", "not shown"),
        (estimate(121.0, 130.0), "lower", "missed"),
        (estimate(120.0, 130.0), "higher", "kept"),
        (estimate(110.0, 130.0), "higher", "not shown"),
        (estimate(90.0, 119.0), "higher", "missed"),
        (estimate(None, None), "lower", "not shown"),
        (None, "lower", "not shown"),
    ],
)
def test_a_limit_is_kept_by_a_whole_interval(found, better, result):
    assert limit_result(found, 120.0, better) == result
