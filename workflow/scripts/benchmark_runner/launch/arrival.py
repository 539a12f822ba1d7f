"""Were the events there when the engine says that they were? Its own clock against that of the monitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.monitor.events_file import NAME as EVENTS_BYTES

LATE_NS: Final = 25_000_000
"""Between the end of an iteration and its event an adapter formats one line. Chosen: a busy machine may hold it up for
some milliseconds."""

LATE_SHARE: Final = 0.25
LATE_LEAST: Final = 3
"""So many of the iterations, and no fewer than these, must be late: what the machine's load does is rarer (chosen)."""


def ends_of_iterations(events: Path) -> list[int]:
    """Size of the file after each iteration event, unit: bytes."""
    ends, size = [], 0
    with events.open("rb") as file:
        for line in file:
            size += len(line)
            if b'"iteration"' in line:
                ends.append(size)
    return ends


def lags_ns(
    iterations: Sequence[Mapping[str, Any]], ends: Sequence[int], samples: Sequence[Mapping[str, Any]]
) -> Iterator[int]:
    """For each iteration, for how long after its end its event was certainly not there yet; 0 where no sample tells."""
    seen = [(sample["time_ns"], sample[EVENTS_BYTES]) for sample in samples if EVENTS_BYTES in sample]
    place = 0
    for event, end_bytes in zip(iterations, ends, strict=False):
        while place < len(seen) and seen[place][1] < end_bytes:
            place += 1
        last_absent_ns = seen[place - 1][0] if place else 0
        yield max(0, last_absent_ns - event["end_ns"])


def late_events(
    iterations: Sequence[Mapping[str, Any]], ends: Sequence[int], samples: Sequence[Mapping[str, Any]]
) -> str | None:
    """What is wrong where an engine reports earlier times than its events came; None where nothing is."""
    lags = list(lags_ns(iterations, ends, samples))
    late = [lag for lag in lags if lag >= LATE_NS]
    if len(late) < max(LATE_LEAST, LATE_SHARE * len(lags)):
        return None
    return (
        f"{len(late)} of {len(lags)} iterations ended up to {max(late) / 1e6:.0f} ms before their events came, by the "
        "engine's account: its times are earlier than they were"
    )
