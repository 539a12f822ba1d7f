"""Launches that an engine lost: what the others show is the time of those that survived.

A launch is lost when it has a record and did not end ok, for whatever reason; one that is not in the results folder
counts neither way. An engine that lost some ranks behind those that lost none, and verdicts on it have to hold as if it
had lost its slowest launches.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from scipy.special import chdtri, ndtri

from benchmark_runner.display import plural
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.status import Status

SPREAD_CHANCE: Final = 0.1
"""Chosen: chance that the true spread is larger than the one allowed for; few survivors show little of it."""

MOST_REASONS: Final = 3
"""Chosen: different reasons that are told of a workload's lost launches, the most frequent first."""


def loss_words(launches: Iterable[MeasuredLaunch]) -> str | None:
    """ "failed in 5 of 10 launches", or "lost 5 of 10 launches (4 timed out, 1 failed)"; None where none was lost."""
    statuses = [launch.status for launch in launches]
    lost = Counter(status for status in statuses if status != Status.OK)
    if not lost:
        return None
    share = f"{lost.total()} of {plural(len(statuses), 'launch')}"
    if set(lost) == {Status.FAILED}:
        return f"failed in {share}"
    return f"lost {share} ({', '.join(f'{count} {Status(status).words}' for status, count in lost.most_common())})"


def reason_words(lost: Sequence[MeasuredLaunch]) -> str:
    """Why launches did not end ok: each reason once, with its number of launches where there are several."""
    told = Counter(str(one.record["reason"] or Status(one.status).words).rstrip(".") for one in lost).most_common()
    if len(told) == 1:
        return told[0][0]
    parts = [f"{reason} ({plural(count, 'launch')})" for reason, count in told[:MOST_REASONS]]
    if rest := told[MOST_REASONS:]:
        parts.append(f"{plural(len(rest), 'further reason')} ({plural(sum(n for _, n in rest), 'launch')})")
    return ", ".join(parts)


def lost_in(launches: Iterable[MeasuredLaunch]) -> dict[str, str]:
    """By workload in which launches were lost: "2 of 4 launches did not end ok: ..." with the reasons."""
    by_workload: dict[str, list[MeasuredLaunch]] = {}
    for launch in launches:
        by_workload.setdefault(launch.workload, []).append(launch)
    lost = {name: [one for one in there if not one.ok] for name, there in by_workload.items()}
    return {
        name: f"{len(bad)} of {plural(len(by_workload[name]), 'launch')} did not end ok: {reason_words(bad)}"
        for name, bad in lost.items()
        if bad
    }


def lost_share(launches: Iterable[MeasuredLaunch]) -> float:
    """Share of launches that did not end ok; 0 without launches."""
    ended = [launch.ok for launch in launches]
    return ended.count(False) / len(ended) if ended else 0.0


def hidden(share: float) -> float:
    """By how many standard deviations the mean of normal values seems better when this share of them, the worst, is
    missing."""
    if not 0.0 < share < 1.0:
        return 0.0
    cut = float(ndtri(1.0 - share))
    return math.exp(-0.5 * cut * cut) / math.sqrt(2.0 * math.pi) / (1.0 - share)


def loss_allowance(share: float, sd: float, pairs: int) -> float:
    """What lost launches may hide of a log ratio: `hidden` deviations of the spread, taken at the upper limit that so
    many pairs leave open; 0 where nothing was lost or fewer than two pairs show a spread."""
    if share == 0.0 or pairs < 2:
        return 0.0
    free = pairs - 1
    return hidden(share) * sd * math.sqrt(free / float(chdtri(free, 1.0 - SPREAD_CHANCE)))
