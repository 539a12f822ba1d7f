"""Cost per token: the arithmetic by hand."""

from __future__ import annotations

import pytest

from benchmark_runner.business.cost import (
    Rate,
    cost,
    energy_usd_per_million_tokens,
    owned_usd_per_hour,
    usd_per_million_tokens,
)


def test_a_million_tokens_cost_the_hours_that_they_take():
    # 100 tokens/s are 360,000 an hour, so a million takes 2.777… hours; at 3.60 USD that is 10 USD
    assert usd_per_million_tokens(3.6, 100.0, 1.0) == pytest.approx(10.0)


def test_a_machine_used_half_of_the_time_makes_tokens_twice_as_dear():
    assert usd_per_million_tokens(3.6, 100.0, 0.5) == pytest.approx(20.0)


def test_ranges_of_price_and_rate_are_shown_apart_and_together():
    found = cost((3.6, 1.8, 7.2), Rate(100.0, 80.0, 125.0, 0.95, 5), 1.0)
    assert found["point"] == pytest.approx(10.0)
    assert found["from_price"] == [pytest.approx(5.0), pytest.approx(20.0)]
    assert found["from_measurement"] == [pytest.approx(8.0), pytest.approx(12.5)]
    assert (found["low"], found["high"]) == (pytest.approx(4.0), pytest.approx(25.0))


def test_a_rate_without_an_interval_leaves_the_range_to_the_price():
    found = cost((3.6, 1.8, 7.2), Rate(100.0, None, None, None, 1), 1.0)
    assert found["from_measurement"] is None
    assert [found["low"], found["high"]] == found["from_price"]


def test_a_rate_of_zero_is_no_rate():
    with pytest.raises(ValueError, match="above 0"):
        Rate(0.0, None, None, None, 1)


def test_an_owned_machine_costs_what_it_lost_over_its_hours():
    owned = {"capex_usd": 9766.0, "residual_usd": 1000.0, "years": 2.0, "pue": 1.0, "usd_per_kwh": 0.3}
    assert owned_usd_per_hour(owned) == pytest.approx(0.5)  # 8,766 USD over 17,532 hours


def test_electricity_is_joules_over_a_kilowatt_hour():
    # 3.6 J a token are 3.6e6 J = 1 kWh a million tokens
    assert energy_usd_per_million_tokens(3.6, 1.0, 0.3) == pytest.approx(0.3)
    assert energy_usd_per_million_tokens(3.6, 1.5, 0.3) == pytest.approx(0.45)
