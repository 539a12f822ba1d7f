"""Waiting for descriptors, whatever their numbers: select() knows none from 1024 on."""

from __future__ import annotations

import math
import select
from collections.abc import Iterable

from benchmark_runner.units import MS_PER_S


def readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Those that are readable, or whose other end is gone; empty when the time is up. None waits without end."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    timeout_ms = None if seconds is None else math.ceil(max(0.0, seconds) * MS_PER_S)
    return [descriptor for descriptor, _ in poll.poll(timeout_ms)]
