"""Arrivals of an open loop."""

from __future__ import annotations

from itertools import islice, pairwise
from statistics import mean, stdev

import pytest

from benchmark_runner.load.schedule import arrivals_ns, with_arrivals

RATE = 40.0


def _offsets(count, arrivals, *, burstiness=1.0, seed=0):
    load = {"arrivals": arrivals, "requests_per_second": RATE, "burstiness": burstiness, "seed": seed}
    return list(islice(arrivals_ns(load), count))


def _spread(offsets):
    gaps = [after - before for before, after in pairwise(offsets)]
    return stdev(gaps) / mean(gaps)


def test_constant_arrivals_do_not_add_up_roundings():
    assert _offsets(10_000, "constant")[-1] == 250_000_000_000


@pytest.mark.parametrize("arrivals", ["poisson", "gamma"])
def test_drawn_arrivals_have_the_mean_that_was_asked_for(arrivals):
    offsets = _offsets(20_000, arrivals, burstiness=0.5)
    assert offsets[-1] / 20_000 == pytest.approx(1e9 / RATE, rel=0.05)
    assert offsets == sorted(offsets)


def test_draws_are_left_as_they_are_however_many_are_used():
    """A schedule that is stretched to its expected length is no longer Poisson, and depends on where it is cut."""
    many = _offsets(500, "poisson", seed=3)
    assert _offsets(20, "poisson", seed=3) == many[:20]
    assert many[-1] != 500 * 1e9 / RATE


def test_a_seed_repeats_its_schedule_and_another_has_its_own():
    assert _offsets(50, "gamma", seed=1) == _offsets(50, "gamma", seed=1)
    assert _offsets(50, "gamma", seed=1) != _offsets(50, "gamma", seed=2)


def test_a_burstiness_below_one_is_the_bursty_side():
    bursty, regular = (_spread(_offsets(5_000, "gamma", burstiness=shape)) for shape in (0.25, 4.0))
    assert regular < 0.6 < _spread(_offsets(5_000, "poisson")) < 1.5 < bursty


def test_a_spec_has_an_arrival_for_each_prompt_and_the_one_behind_them():
    load = {"mode": "open", "arrivals": "poisson", "requests_per_second": RATE, "burstiness": 1.0, "seed": 0}
    assert with_arrivals(load, 5) == load | {"arrivals_ns": _offsets(6, "poisson")}
    assert with_arrivals({"mode": "closed", "concurrency": 2}, 5) == {"mode": "closed", "concurrency": 2}


def test_a_trace_that_ends_with_the_prompts_has_none_behind_them():
    load = {"mode": "open", "arrivals": "trace", "arrivals_ns": [0, 1_000_000_000, 3_000_000_000]}
    assert with_arrivals(load, 3) == load
