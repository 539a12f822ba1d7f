"""What every part of the monitor has in common: values, what this machine lacks and why, and the limits of values."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple, Protocol

from benchmark_runner.processes.files import MOST_EVENTS_BYTES, flooded
from benchmark_runner.processes.watch import Alert
from benchmark_runner.status import Status

# A sample is one flat dict of JSON values; every name ends in its unit.
Sample = dict[str, Any]

EVENTS: Final = "events_bytes"
"""Size of the engine's events file."""

# Parts of the monitor that the section `monitoring` of the configuration switches off.
SWITCHES: Final = ("gpu_metrics", "memory_tracking", "power_monitoring")
SWITCHED_OFF: Final = "switched off by monitoring.{key}"


class Probe(Protocol):
    """A part of the monitor; absent maps each value it cannot read here to the reason."""

    absent: dict[str, str]

    def read(self, sample: Sample) -> None:
        """Put this part's values into the sample; a value that cannot be read now is left out."""


class KernelFile:
    """A small file of /proc or /sys, opened once and read again from its start each time."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, size_bytes: int = 65536) -> bytes:
        """Present content; raises OSError where the device behind it does not answer."""
        return os.pread(self._descriptor, size_bytes, 0)

    def number(self) -> int | None:
        """The whole number that it holds now; None where the device does not answer, or not with one (`<unknown>`)."""
        try:
            return int(self.read(32))
        except (OSError, ValueError):  # what sleeps answers EAGAIN or EIO; the next sample asks again
            return None


def open_kernel_file(path: str) -> KernelFile | None:
    """The file, or None where it is not there or may not be read."""
    try:
        file = KernelFile(path)
        file.read()
    except OSError:
        return None
    return file


class Limits(NamedTuple):
    """Highest values allowed; None means no limit."""

    engine_rss_bytes: int | None = None
    temperature_celsius: float | None = None


def exceeded(sample: Sample, limits: Limits) -> Alert | None:
    """The first limit that the sample is above; a value that is absent exceeds nothing."""
    if (events_bytes := sample.get(EVENTS, 0)) > MOST_EVENTS_BYTES:
        return Alert(Status.FAILED, flooded(events_bytes))
    rss_bytes, limit_bytes = sample.get("engine_rss_bytes"), limits.engine_rss_bytes
    if rss_bytes is not None and limit_bytes is not None and rss_bytes > limit_bytes:
        return Alert(
            "memory_limit",
            f"the engine's processes held {rss_bytes / 1e9:.2f} GB, above the {limit_bytes / 1e9:g} GB "
            "of system.max_memory_gb, the control group or the batch system's job",
        )
    for name, place in (("cpu_temperature_celsius", "processor"), ("gpu_temperature_celsius", "GPU")):
        celsius, limit_celsius = sample.get(name), limits.temperature_celsius
        if celsius is not None and limit_celsius is not None and celsius > limit_celsius:
            return Alert(
                "thermal_limit",
                f"the {place} was at {celsius:g} °C, above the {limit_celsius:g} °C of system.thermal_limit_celsius",
            )
    return None
