"""What the samples of a launch say about the time in which its engine ran: the field `monitor` of record.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from benchmark_runner.monitor.probe import Sample
from benchmark_runner.processes.engine import EngineUsage
from benchmark_runner.protocol.events import Window

STANDS: Final = "the energy counter told the same in every sample"


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


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _percent(seconds: float | None, of_seconds: float) -> float | None:
    return None if seconds is None or of_seconds <= 0 else round(max(0.0, 100 * seconds / of_seconds), 2)


def _renewed(samples: Sequence[Sample], name: str) -> list[Sample]:
    """The first sample with each value of an energy counter: its driver renews it at times of its own, so that samples
    which repeat a value are no time in which nothing was used."""
    known = [sample for sample in samples if name in sample]
    return [one for at, one in enumerate(known) if not at or one[name] != known[at - 1][name]]


def _joules(samples: Sequence[Sample], name: str, window: Window) -> float | None:
    joules = increase(_renewed(samples, name), name, window)
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


Fields = Mapping[str, tuple[Any, str | None]]
"""By name a field's value, and the name in the samples from which one that is null has its reason."""


def _told(fields: Fields, metrics: Metrics, absent: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """The fields' values; why one is null is added to absent."""
    between = f"no sample fell into the time in which the engine ran (one every {metrics.interval_ms} ms)"
    for name, (value, source) in fields.items():
        if value is None and source is not None:
            stands = source.endswith("_joules") and bool(_values(metrics.samples, source))
            absent[f"{prefix}{name}"] = metrics.absent.get(source, STANDS if stands else between)
    return {name: value for name, (value, _) in fields.items()}


def _gpu(metrics: Metrics, inside: Sequence[Sample], window: Window, absent: dict[str, str]) -> dict[str, Any] | None:
    use, temperature, clock = "gpu_utilization_percent", "gpu_temperature_celsius", "gpu_clock_sm_mhz"
    used, power, energy, reasons = (
        "gpu_memory_used_bytes",
        "gpu_power_watts",
        "gpu_energy_joules",
        "gpu_throttle_reasons",
    )
    if not any(name.startswith("gpu_") for sample in metrics.samples for name in sample):
        return None
    memory = _values(metrics.samples, used)
    fields: Fields = {
        "utilization_percent_mean": (_mean(_values(inside, use)), use),
        "utilization_percent_max": (max(_values(inside, use), default=None), use),
        # Above what was in use before the engine started, which is the driver's and other processes'.
        "memory_peak_bytes": (max(memory) - memory[0] if memory else None, used),
        "power_watts_mean": (_mean(_values(inside, power)), power),
        "energy_joules": (_joules(metrics.samples, energy, window), energy),
        "temperature_celsius_max": (max(_values(inside, temperature), default=None), temperature),
        "clock_sm_mhz_mean": (_mean(_values(inside, clock)), clock),
        "throttle_reasons": (_union(inside, reasons) if _values(inside, reasons) else None, reasons),
    }
    return _told(fields, metrics, absent, "gpu.")


def _machine(metrics: Metrics, window: Window, engine_cores: Sequence[int]) -> Fields:
    """What the machine did meanwhile, whoever made it."""
    samples, inside = metrics.samples, _within(metrics.samples, window)
    frequencies = _frequencies(inside, metrics.cores, engine_cores)
    stolen_seconds = increase(samples, stolen := "machine_stolen_seconds", window)
    free, clock, temperature = "memory_available_bytes", "cpu_frequency_mhz_per_core", "cpu_temperature_celsius"
    return {
        "stolen_cpu_percent_mean": (_percent(stolen_seconds, window.seconds * len(metrics.cores)), stolen),
        "memory_available_min_bytes": (min(_values(inside, free), default=None), free),
        "cpu_frequency_mhz_mean": (_mean(frequencies), clock),
        "cpu_frequency_mhz_min": (min(frequencies, default=None), clock),
        "cpu_temperature_celsius_max": (max(_values(inside, temperature), default=None), temperature),
        "package_energy_joules": (_joules(samples, energy := "package_energy_joules", window), energy),
    }


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
    client_seconds: float = 0.0,
) -> dict[str, Any]:
    """Summary over the window in which the engine ran; measured is the part with the measured iterations.

    client_seconds is what a server's load client computed, or a server that nobody started here beside its client: it
    is neither the engine's nor foreign.
    """
    samples = metrics.samples
    inside = _within(samples, window)
    rss = _values(inside, "engine_rss_bytes")
    busy_seconds = increase(samples, "machine_busy_seconds", window)
    monitor_seconds = increase(samples, "monitor_cpu_seconds", window) or 0.0
    # The kernel's account knows what the engine waited for, the samples what it left to the launch command.
    engine_seconds = max([usage.cpu_seconds, *_values(inside, "engine_cpu_seconds")])
    foreign = None if busy_seconds is None else busy_seconds - engine_seconds - monitor_seconds - client_seconds
    all_cores_seconds = window.seconds * len(metrics.cores)
    busy_threads = sorted(_values(_within(samples, measured), "engine_busy_threads"))
    busy = "machine_busy_seconds"
    peak = None if "engine_rss_bytes" in metrics.absent else max([*rss, usage.peak_rss_bytes])
    absent: dict[str, str] = {}
    gpu = _gpu(metrics, inside, window, absent)
    fields: Fields = {
        "samples": (len(inside), None),
        "missed_samples": (metrics.missed, None),
        "longest_gap_ms": (_longest_gap_ms(samples, window), busy),
        "stopped_ms": (_stopped(inside) if inside else None, busy),
        "cores_beyond_given": (_union(inside, "cores_beyond_given") if inside else None, busy),
        "priorities_raised": (_union(inside, "priorities_raised") if inside else None, busy),
        "interval_ms": (metrics.interval_ms, None),
        "duration_ms": (round(window.seconds * 1e3, 3), None),
        # The kernel's high-water mark misses no peak between samples, but knows of each process alone.
        "engine_peak_rss_bytes": (peak, "engine_rss_bytes"),
        "engine_mean_rss_bytes": (round(sum(rss) / len(rss)) if rss else None, "engine_rss_bytes"),
        "engine_cpu_percent_mean": (_percent(engine_seconds, window.seconds), None),
        "engine_threads_max": (max(_values(inside, "engine_threads"), default=None), "engine_threads"),
        # The higher one of two in the middle.
        "engine_busy_threads": (busy_threads[len(busy_threads) // 2] if busy_threads else None, "engine_busy_threads"),
        "machine_cpu_percent_mean": (_percent(busy_seconds, all_cores_seconds), busy),
        "foreign_cpu_percent_mean": (_percent(foreign, window.seconds), busy),
        **_machine(metrics, window, engine_cores),
        "counters": (_counters(samples), "instructions"),
        "gpu": (gpu, "gpu_utilization_percent"),
        "measured": (energy_of(metrics, measured) if measured is not None else None, None),
    }
    summary = _told(fields, metrics, absent)
    if measured is None:
        absent["measured"] = "no measured iteration was finished"
    return {**summary, "absent": absent}
