"""What every part of the monitor has in common: values it reads, and what this machine lacks with the reason."""

from __future__ import annotations

import os
from typing import Any, Final, Protocol

# A sample is one flat dict of JSON values; every name ends in its unit.
Sample = dict[str, Any]

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


def open_kernel_file(path: str) -> KernelFile | None:
    """The file, or None where it is not there or may not be read."""
    try:
        file = KernelFile(path)
        file.read()
    except OSError:
        return None
    return file
