"""What the samples of a launch say about the time in which its engine ran: the field `monitor` of record.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from benchmark_runner.monitor.probe import Sample
from benchmark_runner.processes.engine import EngineUsage
from benchmark_runner.protocol.events import Window

# Field of the record: name in the samples. A field that is null takes its reason from there.
SOURCES: Final = {
    "longest_gap_ms": "machine_busy_seconds",
    "stopped_ms": "machine_busy_seconds",
    "cores_beyond_given": "machine_busy_seconds",
    "priorities_raised": "machine_busy_seconds",
    "engine_peak_rss_bytes": "engine_rss_bytes",
    "engine_mean_rss_bytes": "engine_rss_bytes",
    "engine_threads_max": "engine_threads",
    "engine_busy_threads": "engine_busy_threads",
    "machine_cpu_percent_mean": "machine_busy_seconds",
    "foreign_cpu_percent_mean": "machine_busy_seconds",
    "stolen_cpu_percent_mean": "machine_stolen_seconds",
    "memory_available_min_bytes": "memory_available_bytes",
    "cpu_frequency_mhz_mean": "cpu_frequency_mhz_per_core",
    "cpu_frequency_mhz_min": "cpu_frequency_mhz_per_core",
    "cpu_temperature_celsius_max": "cpu_temperature_celsius",
    "package_energy_joules": "package_energy_joules",
    "counters": "instructions",
    "gpu": "gpu_utilization_percent",
}
GPU_SOURCES: Final = {
    "utilization_percent_mean": "gpu_utilization_percent",
    "utilization_percent_max": "gpu_utilization_percent",
    "memory_peak_bytes": "gpu_memory_used_bytes",
    "power_watts_mean": "gpu_power_watts",
    "energy_joules": "gpu_energy_joules",
    "temperature_celsius_max": "gpu_temperature_celsius",
    "clock_sm_mhz_mean": "gpu_clock_sm_mhz",
    "throttle_reasons": "gpu_throttle_reasons",
}


class Metrics(NamedTuple):
    """Content of metrics.jsonl, taken apart."""

    interval_ms: int
    cores: list[int]
    absent: dict[str, str]
    samples: list[Sample]
    missed: int


def take_apart(lines: Iterable[Mapping[str, Any]]) -> Metrics:
    """Metrics from the lines of metrics.jsonl in order; a file without a start line has no samples."""
    metrics = Metrics(0, [], {}, [], 0)
    for line in lines:
        if line["event"] == "sample":
            metrics.samples.append(dict(line))
        elif line["event"] == "start":
            metrics = metrics._replace(interval_ms=line["interval_ms"], cores=list(line["cores"]))
            metrics.absent.update(line["absent"])
        elif line["event"] == "absent":
            metrics.absent.update(line["absent"])
        elif line["event"] == "end":
            metrics = metrics._replace(missed=line["missed"])
    return metrics


def value_at(points: Sequence[tuple[int, float]], time_ns: int) -> float:
    """Cumulative value at a time, linear between its neighbours; outside of the points the nearest one."""
    before = points[0]
    for after in points:
        if after[0] >= time_ns:
            span = after[0] - before[0]
            if span == 0 or time_ns <= before[0]:
                return after[1] if span == 0 else before[1]
            return before[1] + (after[1] - before[1]) * (time_ns - before[0]) / span
        before = after
    return before[1]


def increase(samples: Sequence[Sample], name: str, window: Window) -> float | None:
    """By how much a cumulative value rose in the window; None where fewer than two samples hold it."""
    points = [(sample["time_ns"], sample[name]) for sample in samples if name in sample]
    if len(points) < 2:
        return None
    return value_at(points, window.end_ns) - value_at(points, window.start_ns)


def _values(samples: Sequence[Sample], name: str) -> list[Any]:
    return [sample[name] for sample in samples if name in sample]


def _within(samples: Sequence[Sample], window: Window | None) -> list[Sample]:
    return [] if window is None else [one for one in samples if window.start_ns <= one["time_ns"] <= window.end_ns]


def _median_high(values: Sequence[int]) -> int | None:
    return sorted(values)[len(values) // 2] if values else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _percent(seconds: float | None, of_seconds: float) -> float | None:
    return None if seconds is None or of_seconds <= 0 else round(max(0.0, 100 * seconds / of_seconds), 2)


def _joules(samples: Sequence[Sample], name: str, window: Window) -> float | None:
    joules = increase(samples, name, window)
    return None if joules is None else round(joules, 6)


def _frequencies(inside: Sequence[Sample], cores: Sequence[int], engine_cores: Sequence[int]) -> list[float]:
    places = [place for place, core in enumerate(cores) if core in engine_cores]
    return [values[place] for values in _values(inside, "cpu_frequency_mhz_per_core") for place in places]


def _stopped(inside: Sequence[Sample]) -> dict[str, float]:
    """Time in which each kind of process was seen stopped, unit: ms: from the sample before to the one that saw it."""
    found: dict[str, float] = {}
    for before, after in pairwise(inside):
        for what in after.get("stopped_processes", ()):
            found[what] = round(found.get(what, 0.0) + (after["time_ns"] - before["time_ns"]) / 1e6, 3)
    return found


def _longest_gap_ms(samples: Sequence[Sample], window: Window) -> float | None:
    """The longest time between two samples that touches the window."""
    pairs = pairwise(sample["time_ns"] for sample in samples)
    gaps = [after - before for before, after in pairs if after >= window.start_ns and before <= window.end_ns]
    return round(max(gaps) / 1e6, 3) if gaps else None


def _union(samples: Sequence[Sample], name: str) -> list[Any]:
    return sorted({value for values in _values(samples, name) for value in values})


def _gpu(metrics: Metrics, inside: Sequence[Sample], window: Window, absent: dict[str, str]) -> dict[str, Any] | None:
    if not _values(metrics.samples, "gpu_utilization_percent"):
        return None
    utilization = _values(inside, "gpu_utilization_percent")
    memory = _values(metrics.samples, "gpu_memory_used_bytes")
    reasons = "gpu_throttle_reasons"
    gpu = {
        "utilization_percent_mean": _mean(utilization),
        "utilization_percent_max": max(utilization, default=None),
        # Above what was in use before the engine started, which is the driver's and other processes'.
        "memory_peak_bytes": max(memory) - memory[0] if memory else None,
        "power_watts_mean": _mean(_values(inside, "gpu_power_watts")),
        "energy_joules": _joules(metrics.samples, "gpu_energy_joules", window),
        "temperature_celsius_max": max(_values(inside, "gpu_temperature_celsius"), default=None),
        "clock_sm_mhz_mean": _mean(_values(inside, "gpu_clock_sm_mhz")),
        "throttle_reasons": _union(inside, reasons) if _values(inside, reasons) else None,
    }
    for name, value in gpu.items():
        if value is None:
            absent[f"gpu.{name}"] = _reason(metrics, GPU_SOURCES[name])
    return gpu


def _reason(metrics: Metrics, source: str) -> str:
    between = f"no sample fell into the time in which the engine ran (one every {metrics.interval_ms} ms)"
    return metrics.absent.get(source, between)


def _counters(samples: Sequence[Sample]) -> dict[str, int] | None:
    """The final counts: they begin with the engine and stand still after it."""
    counts = {name: max(_values(samples, name), default=0) for name in ("instructions", "cycles")}
    return counts if all(counts.values()) else None


def energy_of(metrics: Metrics, window: Window) -> dict[str, Any]:
    """Energy in a part of the launch, from the counters that there are."""
    return {
        "duration_ms": round(window.seconds * 1e3, 3),
        "package_energy_joules": _joules(metrics.samples, "package_energy_joules", window),
        "gpu_energy_joules": _joules(metrics.samples, "gpu_energy_joules", window),
    }


def summarise(
    metrics: Metrics,
    window: Window,
    usage: EngineUsage,
    *,
    engine_cores: Sequence[int],
    measured: Window | None,
) -> dict[str, Any]:
    """Summary over the window in which the engine ran; measured is the part with the measured iterations."""
    samples = metrics.samples
    inside = _within(samples, window)
    rss = _values(inside, "engine_rss_bytes")
    busy_seconds = increase(samples, "machine_busy_seconds", window)
    monitor_seconds = increase(samples, "monitor_cpu_seconds", window) or 0.0
    # The kernel's account knows what the engine waited for, the samples what it left to the launch command.
    engine_seconds = max([usage.cpu_seconds, *_values(inside, "engine_cpu_seconds")])
    foreign = None if busy_seconds is None else busy_seconds - engine_seconds - monitor_seconds
    all_cores_seconds = window.seconds * len(metrics.cores)
    frequencies = _frequencies(inside, metrics.cores, engine_cores)
    absent: dict[str, str] = {}
    summary: dict[str, Any] = {
        "samples": len(inside),
        "missed_samples": metrics.missed,
        "longest_gap_ms": _longest_gap_ms(samples, window),
        "stopped_ms": _stopped(inside) if inside else None,
        "cores_beyond_given": _union(inside, "cores_beyond_given") if inside else None,
        "priorities_raised": _union(inside, "priorities_raised") if inside else None,
        "interval_ms": metrics.interval_ms,
        "duration_ms": round(window.seconds * 1e3, 3),
        # The kernel's high-water mark misses no peak between samples, but knows of each process alone.
        "engine_peak_rss_bytes": None if "engine_rss_bytes" in metrics.absent else max([*rss, usage.peak_rss_bytes]),
        "engine_mean_rss_bytes": round(sum(rss) / len(rss)) if rss else None,
        "engine_cpu_percent_mean": _percent(engine_seconds, window.seconds),
        "engine_threads_max": max(_values(inside, "engine_threads"), default=None),
        "engine_busy_threads": _median_high(_values(_within(samples, measured), "engine_busy_threads")),
        "machine_cpu_percent_mean": _percent(busy_seconds, all_cores_seconds),
        "foreign_cpu_percent_mean": _percent(foreign, window.seconds),
        "stolen_cpu_percent_mean": _percent(increase(samples, "machine_stolen_seconds", window), all_cores_seconds),
        "memory_available_min_bytes": min(_values(inside, "memory_available_bytes"), default=None),
        "cpu_frequency_mhz_mean": _mean(frequencies),
        "cpu_frequency_mhz_min": min(frequencies, default=None),
        "cpu_temperature_celsius_max": max(_values(inside, "cpu_temperature_celsius"), default=None),
        "package_energy_joules": _joules(samples, "package_energy_joules", window),
        "counters": _counters(samples),
        "gpu": _gpu(metrics, inside, window, absent),
        "measured": energy_of(metrics, measured) if measured is not None else None,
        "absent": absent,
    }
    for name, source in SOURCES.items():
        if summary[name] is None:
            absent[name] = _reason(metrics, source)
    if measured is None:
        absent["measured"] = "no measured iteration was finished"
    return summary
