"""Limits of a launch that the monitor watches: the engine's memory and the machine's temperature."""

from __future__ import annotations

from typing import NamedTuple

from benchmark_runner.monitor.probe import Sample


class Limits(NamedTuple):
    """Highest values allowed; None means no limit."""

    engine_rss_bytes: int | None = None
    temperature_celsius: float | None = None


class Alert(NamedTuple):
    """A limit that a sample exceeds; kind is the status that the launch gets."""

    kind: str
    message: str


def exceeded(sample: Sample, limits: Limits) -> Alert | None:
    """The first limit that the sample is above; a value that is absent exceeds nothing."""
    rss_bytes = sample.get("engine_rss_bytes")
    limit_bytes = limits.engine_rss_bytes
    if rss_bytes is not None and limit_bytes is not None and rss_bytes > limit_bytes:
        return Alert(
            "memory_limit",
            f"the engine's processes held {rss_bytes / 1e9:.2f} GB, above the {limit_bytes / 1e9:g} GB "
            "of system.max_memory_gb or the control group",
        )
    limit_celsius = limits.temperature_celsius
    if limit_celsius is None:
        return None
    for name, place in (("cpu_temperature_celsius", "processor"), ("gpu_temperature_celsius", "GPU")):
        celsius = sample.get(name)
        if celsius is not None and celsius > limit_celsius:
            return Alert(
                "thermal_limit",
                f"the {place} was at {celsius:g} °C, above the {limit_celsius:g} °C of system.thermal_limit_celsius",
            )
    return None
