"""Figures of a level over launches, by hand: failures with Wilson's interval, waiting, tokens, rates that came."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest, norm

from benchmark_runner.statistics import level_figures
from benchmark_runner.statistics.level_figures import error_interval
from benchmark_runner.statistics.metrics import BY_NAME, LEVEL_ENERGY
from benchmark_runner.statistics.samples import why_absent
from benchmark_runner.statistics.stages import stage_samples
from stage_rows import closed, load_inputs, stages_of


def row(**changed):
    return {"failed": 0, "measured": 10, "asked_requests_per_s": None, **changed}


def test_failures_that_chance_explains_have_wilsons_interval(monkeypatch):
    monkeypatch.setattr(level_figures, "t_quantile", lambda _df, level: float(norm.ppf(0.5 + level / 2)))
    rows = [row(failed=3), row(failed=2), row(failed=3), row(failed=2)]
    known = binomtest(10, 40).proportion_ci(0.95, method="wilson")
    assert error_interval(rows, 0.95) == pytest.approx([known.low, known.high])


def test_launches_that_differ_by_more_than_chance_say_less():
    alike, apart = [row(failed=5)] * 4, [row(failed=10), row(failed=0)] * 2
    low, high = error_interval(apart, 0.95)
    assert low < error_interval(alike, 0.95)[0] < 0.5 < error_interval(alike, 0.95)[1] < high


def test_no_failure_seen_is_not_none_ever():
    low, high = error_interval([row()] * 5, 0.95)
    z2 = 2.7764451051977934**2
    assert low == 0
    assert high == pytest.approx(z2 / 50 / (1 + z2 / 50))


@pytest.mark.parametrize("rows", [[], [row()], [row(), row(measured=0)]])
def test_of_one_launch_there_is_no_interval(rows):
    assert error_interval(rows, 0.95) is None


def test_waiting_and_tokens_are_means_of_launches():
    told = ((4.0, 90.0), (6.0, 100.0), (8.0, 111.0))
    rows = [row(waited_p99_ms=wait, total_tokens_per_s=rate) for wait, rate in told]
    found = level_figures.level_figures(rows, 0.95)
    half = 4.302652729911275 * 2 / math.sqrt(3)
    assert found["waited_ms"]["p99"] == pytest.approx({"point": 6, "low": 6 - half, "high": 6 + half})
    assert found["waited_ms"]["p50"] is None
    assert found["total_tokens_per_s"]["point"] == pytest.approx(999_000 ** (1 / 3))
    assert "due_requests_per_s" not in found


def test_the_rates_that_came_are_told_of_an_open_loop():
    rows = [row(asked_requests_per_s=2.0, due_requests_per_s=due, achieved_requests_per_s=1.5) for due in (1.5, 2.0)]
    found = level_figures.level_figures(rows, 0.95)
    assert (found["due_requests_per_s"], found["achieved_requests_per_s"]) == (1.75, 1.5)


def test_energy_of_a_level_is_that_of_the_device_that_computed() -> None:
    inputs = load_inputs(closed(1), launches=3)
    both = {"package_joules_per_token": 0.25, "gpu_joules_per_token": 9.0}
    key = ("torch", "serving", "c1")
    known = stage_samples(stages_of(inputs, lambda *_: both), inputs, key)[LEVEL_ENERGY]
    assert [values.tolist() for values in known.values] == [[0.25]] * 3
    lost = stage_samples(stages_of(inputs, lambda *_: dict.fromkeys(both)), inputs, key)[LEVEL_ENERGY]
    assert (lost.blocks, lost.reason) == ((), "no RAPL counter is readable")


@pytest.mark.parametrize("metric", ["energy_joules_per_token", LEVEL_ENERGY])
@pytest.mark.parametrize(
    ("device", "why"),
    [("cpu", "no RAPL counter is readable"), ("cuda:0", "NVML: Not Supported"), ("Cuda(0)", "NVML: Not Supported")],
)
def test_energy_lacks_for_the_reason_of_the_device_that_computed(metric: str, device: str, why: str) -> None:
    launch = load_inputs(closed(1), launches=1).engines["torch"].ok("serving")[0]
    launch.record["load"]["device"] = device
    absent = {"package_energy_joules": "no RAPL counter is readable", "gpu.energy_joules": "NVML: Not Supported"}
    for told in (absent, dict(reversed(absent.items()))):
        launch.record["monitor"]["absent"] = told
        assert why_absent(BY_NAME[metric], [launch]) == why
    launch.record["monitor"]["absent"] = {name: words for name, words in absent.items() if words != why}
    assert why_absent(BY_NAME[metric], [launch]) == "the monitor recorded no value"
