"""Can what an engine says of its times be true? Held against the growth of its events file, and against the clock.

All between load_end and done is accounted for: it lies in an iteration, or between two, where an adapter writes one
line and empties its caches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmark_runner.monitor.events_file import CHUNK_BYTES, DIGEST, READ_NS
from benchmark_runner.monitor.probe import EVENTS
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.units import NS_PER_S

LATE_NS: Final = 25_000_000
"""Between the end of an iteration and its event an adapter formats one line. Chosen: a busy machine may hold it up for
some milliseconds."""

LATE_SHARE: Final = 0.25
LATE_LEAST: Final = 3
"""So many of the iterations, and no fewer than these, must be late: what the machine's load does is rarer (chosen)."""

TELLING: Final = ((10_000_000, 0.5, 2), (2_000_000, 0.9, 4))
"""(time, share, number): work is told too late where gaps between iterations are longer than the time in this share of
them, and in no fewer than the number. Beside other programs torch's took 2 to 16 ms between iterations of seconds, and
a hiccup hits few of them (chosen)."""

GAP_SHARE: Final = 0.1
"""What an iteration takes in the mean may stretch each of those times by this share: load stretches both, and
a cache of a long prompt is emptied before a short one, too (chosen)."""

FIRST_GAP_NS: Final = 250_000_000
"""After load_end, where libraries may have something to set up, beside that share of all iterations (chosen)."""

RELOADS: Final = 3
"""What an adapter that loads anew for each iteration may take for it, in times of its load (chosen)."""

STAGE_FREE_NS: Final = 2_000_000_000
STAGE_SHARE: Final = 0.25
WRITTEN_BYTES_PER_S: Final = 4_000_000
"""Beside a stage an adapter may take so long to empty caches, with this share of the stage for a busy machine, and its
requests are written no more slowly than that (chosen): who answers before a level begins, or tells it as a shorter one,
needs more."""

_WORDS: Final = "by the engine's account: only the writing of an event and the emptying of caches belong there"

Samples = Sequence[Mapping[str, Any]]


def _seen(ends: Sequence[int], samples: Samples, clock: str) -> Iterator[tuple[int | None, int | None]]:
    """For each event the last time at which it was certainly not there yet, and the first at which it was."""
    seen = [(sample[clock], sample[EVENTS]) for sample in samples if {clock, EVENTS} <= sample.keys()]
    place = 0
    for end_bytes in ends:
        while place < len(seen) and seen[place][1] < end_bytes:
            place += 1
        yield seen[place - 1][0] if place else None, seen[place][0] if place < len(seen) else None


def lags_ns(iterations: Sequence[Mapping[str, Any]], ends: Sequence[int], samples: Samples) -> Iterator[int]:
    """For each iteration, for how long after its end its event was certainly not there yet; 0 where no sample tells."""
    for event, (absent_ns, _) in zip(iterations, _seen(ends, samples, "time_ns"), strict=False):
        yield max(0, (absent_ns or 0) - event["end_ns"])


def late_events(iterations: Sequence[Mapping[str, Any]], ends: Sequence[int], samples: Samples) -> str | None:
    """What is wrong where an engine reports earlier times than its events came; None where nothing is."""
    lags = list(lags_ns(iterations, ends, samples))
    late = [lag for lag in lags if lag >= LATE_NS]
    if len(late) < max(LATE_LEAST, LATE_SHARE * len(lags)):
        return None
    return (
        f"{len(late)} of {len(lags)} iterations ended up to {max(late) / 1e6:.0f} ms before their events came, by the "
        "engine's account: its times are earlier than they were"
    )


def early_events(
    iterations: Sequence[Mapping[str, Any]], ends: Sequence[int], samples: Samples, what: str = "iteration"
) -> str | None:
    """What is wrong where an event was there before its iteration, or stage, had ended; None where none was."""
    found = zip(iterations, _seen(ends, samples, READ_NS), strict=False)
    for number, (event, (_, there_ns)) in enumerate(found):
        if there_ns is not None and event["end_ns"] > there_ns:
            early = f"was there {(event['end_ns'] - there_ns) / 1e6:.1f} ms before it ended"
            return f"the event of {what} {number} {early}, by the engine's account"
    return None


def changed_since(events: Path, samples: Samples) -> str | None:
    """What is wrong where what a sample found in the file is not the beginning of what it holds now; else None."""
    found = [(sample[EVENTS], sample[DIGEST]) for sample in samples if DIGEST in sample]
    if not found:
        return None
    changed = "what the engine had written to its events file was changed or taken back later"
    if not events.is_file() or any(after[0] < before[0] for before, after in pairwise(found)):
        return changed
    digest, place = hashlib.sha256(), 0
    with events.open("rb") as file:
        for size, wanted in found:
            while place < size and (content := file.read(min(CHUNK_BYTES, size - place))):
                digest.update(content)
                place += len(content)
            if digest.hexdigest() != wanted:
                return changed
    return None


def unaccounted(report: EventReport) -> str | None:
    """What is wrong where an engine worked before the starts that it tells; None where nothing is."""
    if report.load is None or not report.iterations:
        return None
    took = [event["end_ns"] - event["start_ns"] for event in report.iterations]
    ends = [report.load["end_ns"], *(event["end_ns"] for event in report.iterations)]
    first, *gaps = (event["start_ns"] - end for event, end in zip(report.iterations, ends, strict=False))
    if first > FIRST_GAP_NS + GAP_SHARE * sum(took):
        return f"the first iteration begins {first / 1e6:.0f} ms after load_end, {_WORDS}"
    capabilities = report.hello["capabilities"] if report.hello else {}
    load_ns = report.load["end_ns"] - report.load["start_ns"]
    free_ns = GAP_SHARE * sum(took) / len(took) + (RELOADS * load_ns if capabilities.get("loads_each_time") else 0)
    for limit_ns, share, least in TELLING:
        long = [gap for gap in gaps if gap > limit_ns + free_ns]
        if len(long) >= max(least, share * len(gaps)):
            return (
                f"{len(long)} of {len(gaps)} iterations begin up to {max(long) / 1e6:.0f} ms after the last, {_WORDS}"
            )
    return None


def unaccounted_stages(report: EventReport, samples: Samples) -> str | None:
    """What is wrong where an engine worked before a stage that it tells, or told it long after; else None."""
    if report.load is None:
        return None
    before_ns, written_ns, bytes_before = report.load["end_ns"], 0.0, 0
    seen = _seen(report.ends_bytes, samples, "time_ns")
    for number, (stage, size, (absent_ns, _)) in enumerate(zip(report.stages, report.ends_bytes, seen, strict=True)):
        free_ns = STAGE_FREE_NS + STAGE_SHARE * (stage["end_ns"] - stage["start_ns"])
        gap_ns = stage["start_ns"] - before_ns
        if gap_ns > free_ns + written_ns:
            after = f"stage {number - 1}" if number else "load_end"
            return f"stage {number} begins {gap_ns / NS_PER_S:.1f} s after {after}, {_WORDS}"
        written_ns = NS_PER_S * (size - bytes_before) / WRITTEN_BYTES_PER_S
        before_ns, bytes_before = stage["end_ns"], size
        late_ns = (absent_ns or 0) - before_ns
        if late_ns > free_ns + written_ns:
            return (
                f"stage {number} ended {late_ns / NS_PER_S:.1f} s before its event came, by the engine's account: "
                "its times are earlier than they were"
            )
    return None


def doubt(report: EventReport, events: Path, samples: Samples) -> str | None:
    """The first reason why what an engine wrote cannot be true; None where there is none.

    The events of a stage come when all its requests are written.
    """
    if report.stages:
        early = early_events(report.stages, report.ends_bytes, samples, "stage")
        return changed_since(events, samples) or early or unaccounted_stages(report, samples)
    told = report.iterations, report.ends_bytes, samples
    return changed_since(events, samples) or early_events(*told) or late_events(*told) or unaccounted(report)
