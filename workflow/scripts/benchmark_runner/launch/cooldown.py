"""The pause between launches, so that one does not heat the next.

The rule: an engine starts no sooner than system.cool_down_seconds after the launch before it ended. The end is the
modification time of launches/.last_launch, which every launch that starts an engine touches before and after it; the
first launch of an output folder finds no such file and does not wait. Then no engine starts while a temperature is
above the thermal limit; the wait for that is bounded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

STAMP_NAME: Final = ".last_launch"
# Chosen: a processor that is not below its limit after two idle minutes is kept warm by something else.
THERMAL_WAIT_LIMIT_SECONDS: Final = 120.0
# Chosen: temperatures of idle processors fall by some degrees a second.
THERMAL_RECHECK_SECONDS: Final = 1.0


def stamp_path(out_dir: Path) -> Path:
    """The stamp of the output folder that holds launches/<engine>/<workload>.<identity>/<block>."""
    return out_dir.parents[2] / STAMP_NAME


def touch_stamp(stamp: Path) -> None:
    """Note that a launch is running or has just ended."""
    stamp.touch()
    os.utime(stamp)


def seconds_left(cool_down_seconds: float, last_end: float | None, now: float) -> float:
    """Rest of the cool-down; all times in seconds of one clock. A stamp of the future costs one full cool-down."""
    if last_end is None:
        return 0.0
    return min(cool_down_seconds, max(0.0, last_end + cool_down_seconds - now))


def remaining_cool_down(stamp: Path, cool_down_seconds: float) -> float:
    """Rest of the cool-down by the stamp."""
    last_end = stamp.stat().st_mtime if stamp.is_file() else None
    return seconds_left(cool_down_seconds, last_end, time.time())


class ThermalWait(NamedTuple):
    """How the wait for the thermal limit ended; celsius is None where no temperature can be read."""

    celsius: float | None
    cool: bool


def wait_until_cool(
    limit_celsius: float | None,
    read_celsius: Callable[[], float | None],
    pause: Callable[[float], object],
    limit_seconds: float = THERMAL_WAIT_LIMIT_SECONDS,
) -> ThermalWait:
    """Pause until the highest temperature is at or below the limit, or the time is up."""
    celsius = read_celsius()
    waited_seconds = 0.0
    while limit_celsius is not None and celsius is not None and celsius > limit_celsius:
        if waited_seconds >= limit_seconds:
            return ThermalWait(celsius, cool=False)
        pause(THERMAL_RECHECK_SECONDS)
        waited_seconds += THERMAL_RECHECK_SECONDS
        celsius = read_celsius()
    return ThermalWait(celsius, cool=True)
