"""Launches that an engine lost: what the others show is the time of those that survived.

A launch is lost when it has a record and did not end ok, for whatever reason; one that is not in the results folder
counts neither way. An engine that lost some ranks behind those that lost none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from benchmark_runner.display import plural
from benchmark_runner.statistics.inputs import Launch

_LOST: Final = {
    "failed": "failed",
    "timeout": "timed out",
    "memory_limit": "ran into the memory limit",
    "thermal_limit": "ended for heat",
    "unavailable": "could not start",
    "interrupted": "interrupted",
}
"""By status, in the words that fit "5 of 10 launches"."""


def loss_words(launches: Iterable[Launch]) -> str | None:
    """ "failed in 5 of 10 launches", or "lost 5 of 10 launches (4 timed out, 1 failed)"; None where none was lost."""
    statuses = [launch.status for launch in launches]
    lost = Counter(status for status in statuses if status != "ok")
    if not lost:
        return None
    share = f"{lost.total()} of {plural(len(statuses), 'launch')}"
    if set(lost) == {"failed"}:
        return f"failed in {share}"
    return f"lost {share} ({', '.join(f'{count} {_LOST.get(status, status)}' for status, count in lost.most_common())})"
