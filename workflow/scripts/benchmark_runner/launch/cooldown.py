"""The pause between launches, so that one does not heat the next.

The rule: an engine starts no sooner than system.cool_down_seconds after the last launch on this machine ended, of
whichever campaign it was (machine_lock.py tells when); the first launch of all does not wait. Then no engine starts
while a temperature is above the thermal limit; the wait for that is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

# Chosen: a processor that is not below its limit after two idle minutes is kept warm by something else.
THERMAL_WAIT_LIMIT_SECONDS: Final = 120.0
# Chosen: temperatures of idle processors fall by some degrees a second.
THERMAL_RECHECK_SECONDS: Final = 1.0


def seconds_left(cool_down_seconds: float, last_end: float | None, now: float) -> float:
    """Rest of the cool-down; all times in seconds of one clock. An end in the future costs one full cool-down."""
    if last_end is None:
        return 0.0
    return min(cool_down_seconds, max(0.0, last_end + cool_down_seconds - now))


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
