from __future__ import annotations

import pytest

from benchmark_runner.monitor.probe import Limits, exceeded
from benchmark_runner.processes.files import MOST_EVENTS_BYTES

LIMITS = Limits(engine_rss_bytes=2_000_000_000, temperature_celsius=90)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ({"engine_rss_bytes": 2_000_000_001}, "memory_limit"),
        ({"cpu_temperature_celsius": 90.1}, "thermal_limit"),
        ({"gpu_temperature_celsius": 91}, "thermal_limit"),
    ],
)
def test_a_value_above_its_limit_is_an_alert(sample, kind):
    alert = exceeded(sample, LIMITS)
    assert alert is not None and alert.kind == kind
    assert "system." in alert.message
    assert exceeded(sample, Limits()) is None


def test_events_beyond_what_any_spec_asks_for_are_an_alert_whatever_the_limits():
    alert = exceeded({"events_bytes": MOST_EVENTS_BYTES + 1}, Limits())
    assert alert is not None and alert.kind == "failed" and "4.3 GB into its events file" in alert.message
    assert exceeded({"events_bytes": MOST_EVENTS_BYTES}, Limits()) is None


def test_a_value_at_its_limit_or_absent_is_none():
    assert exceeded({"engine_rss_bytes": 2_000_000_000, "cpu_temperature_celsius": 90}, LIMITS) is None
    assert exceeded({}, LIMITS) is None
