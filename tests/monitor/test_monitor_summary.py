from __future__ import annotations

from typing import Any

import pytest

from benchmark_runner.monitor.summary import STANDS, Metrics, increase, summarise, take_apart, value_at
from benchmark_runner.processes.engine import EngineUsage
from benchmark_runner.protocol.events import Window

S = 1_000_000_000
USAGE = EngineUsage(cpu_seconds=3.0, peak_rss_bytes=700)


def sample(second: float, **values: Any) -> dict[str, Any]:
    return {"event": "sample", "time_ns": round(second * S), **values}


def metrics(*samples: dict[str, Any], absent: dict[str, str] | None = None) -> Metrics:
    return Metrics(interval_ms=100, cores=[0, 1, 4], absent=absent or {}, samples=list(samples), missed=0)


def summary(content: Metrics, start: float = 10, end: float = 14, **changes: Any) -> dict[str, Any]:
    window = Window(round(start * S), round(end * S))
    return summarise(content, window, USAGE, **({"engine_cores": [0, 4], "measured": None} | changes))


def test_a_cumulative_value_is_linear_between_samples_and_flat_outside():
    points = [(0, 0.0), (10, 100.0), (20, 100.0)]
    assert [value_at(points, time) for time in (-5, 0, 5, 10, 15, 30)] == [0, 0, 50, 100, 100, 100]


def test_one_sample_tells_no_increase():
    assert increase([sample(1, x=5)], "x", Window(0, S)) is None
    assert increase([sample(1, x=5), sample(2)], "x", Window(0, S)) is None


def test_only_samples_of_the_engines_time_count():
    content = metrics(
        sample(9, engine_rss_bytes=9000, memory_available_bytes=1),
        sample(11, engine_rss_bytes=100, memory_available_bytes=50, engine_threads=2),
        sample(12, engine_rss_bytes=300, memory_available_bytes=40, engine_threads=5),
        sample(15, engine_rss_bytes=9000, memory_available_bytes=1),
    )
    result = summary(content)
    assert (result["samples"], result["engine_mean_rss_bytes"], result["engine_threads_max"]) == (2, 200, 5)
    assert result["memory_available_min_bytes"] == 40
    assert result["engine_peak_rss_bytes"] == 700  # the kernel saw a peak between samples
    assert result["duration_ms"] == 4000


def test_a_tree_larger_than_its_largest_process_is_the_peak():
    assert summary(metrics(sample(11, engine_rss_bytes=900)))["engine_peak_rss_bytes"] == 900


def test_busy_time_is_divided_between_engine_monitor_and_others():
    content = metrics(
        sample(8, machine_busy_seconds=100.0, machine_stolen_seconds=0.0, monitor_cpu_seconds=1.0),
        sample(16, machine_busy_seconds=108.0, machine_stolen_seconds=2.4, monitor_cpu_seconds=1.4),
    )
    result = summary(content)
    assert result["engine_cpu_percent_mean"] == 75.0  # 3 s in 4 s
    assert result["machine_cpu_percent_mean"] == pytest.approx(100 * 4 / 12, abs=0.01)
    assert result["foreign_cpu_percent_mean"] == pytest.approx(100 * (4 - 3 - 0.2) / 4)
    assert result["stolen_cpu_percent_mean"] == pytest.approx(10.0)
    beside_client = summary(content, client_seconds=0.4)
    assert beside_client["foreign_cpu_percent_mean"] == pytest.approx(100 * (4 - 3 - 0.2 - 0.4) / 4)


def test_rounding_never_makes_foreign_time_negative():
    content = metrics(sample(10, machine_busy_seconds=0.0), sample(14, machine_busy_seconds=2.9))
    assert summary(content)["foreign_cpu_percent_mean"] == 0.0


def test_frequencies_are_those_of_the_engines_cores():
    content = metrics(sample(11, cpu_frequency_mhz_per_core=[3000, 800, 2000]))
    result = summary(content)
    assert (result["cpu_frequency_mhz_mean"], result["cpu_frequency_mhz_min"]) == (2500, 2000)


def test_energy_is_that_of_the_window_and_of_the_measured_part():
    content = metrics(sample(8, package_energy_joules=0.0), sample(18, package_energy_joules=100.0))
    result = summary(content, measured=Window(11 * S, 13 * S))
    assert result["package_energy_joules"] == 40.0
    assert result["measured"] == {"duration_ms": 2000, "package_energy_joules": 20.0, "gpu_energy_joules": None}


def test_an_energy_counter_that_repeats_its_value_used_energy_all_the_same():
    # 100 W, in a counter that its driver renews each second and that is sampled every half.
    samples = [sample(second / 2, gpu_energy_joules=100.0 * (second // 2)) for second in range(8, 41)]
    part = summary(metrics(*samples), measured=Window(round(11.4 * S), round(12.9 * S)))["measured"]
    assert part["gpu_energy_joules"] == pytest.approx(150.0)


def test_an_energy_counter_that_stands_still_is_no_energy_of_0():
    samples = [sample(second, gpu_utilization_percent=90, gpu_energy_joules=7.0) for second in (9, 11, 13, 15)]
    result = summary(metrics(*samples), measured=Window(11 * S, 13 * S))
    assert result["measured"]["gpu_energy_joules"] is None
    assert result["gpu"]["energy_joules"] is None
    assert result["absent"]["gpu.energy_joules"] == STANDS


def test_counters_are_the_last_counts():
    content = metrics(sample(11, instructions=10, cycles=20), sample(14.1, instructions=30, cycles=50))
    assert summary(content)["counters"] == {"instructions": 30, "cycles": 50}


def test_the_gpu_is_summed_up_over_the_engines_time():
    gpu = {"gpu_temperature_celsius": 50, "gpu_clock_sm_mhz": 1000, "gpu_power_watts": 100.0}
    content = metrics(
        sample(9, gpu_utilization_percent=100, gpu_memory_used_bytes=400, gpu_energy_joules=0.0, **gpu),
        sample(11, gpu_utilization_percent=20, gpu_memory_used_bytes=900, gpu_throttle_reasons=["b", "a"], **gpu),
        sample(13, gpu_utilization_percent=60, gpu_memory_used_bytes=800, gpu_throttle_reasons=["a"], **gpu),
        sample(19, gpu_utilization_percent=100, gpu_memory_used_bytes=400, gpu_energy_joules=1000.0, **gpu),
    )
    result = summary(content)
    assert result["gpu"] == {
        "utilization_percent_mean": 40,
        "utilization_percent_max": 60,
        "memory_peak_bytes": 500,
        "power_watts_mean": 100,
        "energy_joules": 400,
        "temperature_celsius_max": 50,
        "clock_sm_mhz_mean": 1000,
        "throttle_reasons": ["a", "b"],
    }
    assert "gpu" not in result["absent"]


def test_a_gpu_value_that_is_missing_has_its_reason():
    content = metrics(sample(11, gpu_utilization_percent=20), absent={"gpu_energy_joules": "too old"})
    result = summary(content)
    assert result["gpu"]["energy_joules"] is None
    assert result["absent"]["gpu.energy_joules"] == "too old"
    assert "no sample" in result["absent"]["gpu.power_watts_mean"]


def test_a_gpu_that_does_not_tell_its_utilisation_keeps_its_other_values():
    # A part of a GPU (MIG) tells its memory alone.
    samples = [sample(second, gpu_memory_used_bytes=used) for second, used in ((9, 400), (12, 900))]
    result = summary(metrics(*samples, absent={"gpu_utilization_percent": "NVML: Not Supported"}))
    assert result["gpu"]["memory_peak_bytes"] == 500
    assert result["gpu"]["utilization_percent_mean"] is None
    assert result["absent"]["gpu.utilization_percent_mean"] == "NVML: Not Supported"
    assert "gpu" not in result["absent"]


def test_without_samples_everything_is_null_with_a_reason():
    result = summary(metrics(absent={"cpu_temperature_celsius": "no sensor"}))
    known = {"samples", "missed_samples", "interval_ms", "duration_ms", "absent"}
    known |= {"engine_cpu_percent_mean", "engine_peak_rss_bytes"}  # the kernel's, not the samples'
    assert {name for name, value in result.items() if value is not None} == known
    assert set(result["absent"]) == set(result) - known
    assert result["absent"]["cpu_temperature_celsius_max"] == "no sensor"


def test_the_file_is_taken_apart():
    lines = [
        {"event": "start", "time_ns": 1, "interval_ms": 50, "cores": [0, 1], "absent": {"a": "x"}},
        sample(1),
        {"event": "absent", "absent": {"b": "y"}},
        sample(2),
        {"event": "end", "samples": 2, "missed": 3},
    ]
    content = take_apart(lines)
    assert (content.interval_ms, content.cores, content.missed) == (50, [0, 1], 3)
    assert content.absent == {"a": "x", "b": "y"}
    assert len(content.samples) == 2
    assert take_apart([]).samples == []


def test_busy_threads_are_those_of_the_measured_part():
    content = metrics(
        sample(10, engine_busy_threads=9), *(sample(at, engine_busy_threads=at - 10) for at in (11, 12, 13))
    )
    assert summary(content, measured=Window(11 * S, 13 * S))["engine_busy_threads"] == 2
    assert summary(content)["engine_busy_threads"] is None
    assert "engine_busy_threads" in summary(content)["absent"]


def test_a_standstill_is_the_time_since_the_sample_before_it():
    content = metrics(
        sample(9.9),
        sample(10.1, stopped_processes=["the engine"]),
        sample(10.2, stopped_processes=["the engine", "the launch command"]),
        sample(10.3),
        sample(13.5),
        sample(30),
    )
    result = summary(content)
    assert result["stopped_ms"] == {"the engine": 100.0, "the launch command": 100.0}
    assert result["longest_gap_ms"] == 16500.0  # it began while the engine ran
    assert summary(content, end=13)["longest_gap_ms"] == 3200.0


def test_what_was_taken_in_any_sample_is_told_once():
    content = metrics(
        sample(11, cores_beyond_given=[3], priorities_raised=["nice -5"]), sample(12, cores_beyond_given=[1, 3])
    )
    result = summary(content)
    assert (result["cores_beyond_given"], result["priorities_raised"]) == ([1, 3], ["nice -5"])


def test_computing_time_of_processes_that_the_engine_left_is_the_engine_s():
    content = metrics(
        sample(10, machine_busy_seconds=0.0, monitor_cpu_seconds=0.0),
        sample(13, engine_cpu_seconds=8.0),
        sample(14, machine_busy_seconds=8.0, monitor_cpu_seconds=0.0),
    )
    result = summary(content)
    assert (result["engine_cpu_percent_mean"], result["foreign_cpu_percent_mean"]) == (200.0, 0.0)
