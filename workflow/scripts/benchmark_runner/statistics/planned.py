"""The looks that a campaign until decided plans: after how many launches, and what each may spend of alpha.

numpy and scipy stay out: the configuration is checked with this before every call.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmark_runner.display import plural
from benchmark_runner.statistics.power import FIRST_SHARE, SecondTest, fewest_launches

FIRST_GROUP: Final = 4
"""Launches of the first group where no exact test needs more. Chosen by simulation, as the step: docs/method.md."""

STEP: Final = 4
"""Launches of each further group: with fewer the last looks have too little alpha left."""

GIVE_UP_BELOW: Final = 0.05
"""Chosen: a pair that at_most launches decide with a smaller chance than this gets no further ones. By simulation it
costs at most two points of power and saves, where engines are alike, a third of the launches."""


class PlannedLook(NamedTuple):
    """A look after so many launches of each engine that is still in; share is what it may spend of alpha."""

    launches: int
    share: float


def at_most(launches: int | Mapping[str, Any]) -> int:
    """The most launches of each engine that `benchmark.launches` allows: a number, or `until decided`."""
    return launches if isinstance(launches, int) else int(launches["at_most"])


def spent(launches: int, at_most: int) -> float:
    """Share of alpha that planned looks up to this one may have spent together: FIRST_SHARE of it, times (n / N)^2.

    The power family of Kim & DeMets (1987, Biometrika 74, 149-154). FIRST_SHARE is what the only look of other
    campaigns spends; the rest stays for looks that nobody planned.
    """
    return FIRST_SHARE * (launches / at_most) ** 2


def planned_looks(
    tests: int, at_most: int, alpha: float, second: SecondTest | None, fewest: int = FIRST_GROUP
) -> tuple[PlannedLook, ...]:
    """All looks of a campaign of at most so many launches; the last one is at at_most.

    The first group has the fewest launches from which a verdict over so many tests can come at its look, and no fewer
    than `fewest`.
    """

    def can_decide(launches: int) -> bool:
        return fewest_launches(max(tests, 1), alpha * spent(launches, at_most), second) <= launches

    first = next((n for n in range(max(fewest, FIRST_GROUP), at_most) if can_decide(n)), at_most)
    ends = [*range(first, at_most - 1, STEP), at_most]  # no last group of one launch
    shares = [spent(end, at_most) - spent(before, at_most) for before, end in itertools.pairwise([0, *ends])]
    return tuple(itertools.starmap(PlannedLook, zip(ends, shares, strict=True)))


def looks_of_plan(campaign: Mapping[str, Any]) -> tuple[PlannedLook, ...]:
    """The looks that the plan's `campaign` holds; none where its launches are a fixed number."""
    until = campaign.get("until")
    return tuple(PlannedLook(look["launches"], look["share"]) for look in until["looks"]) if until else ()


def words_of(until: Mapping[str, Any]) -> list[str]:
    """What the section `until` of statistical_summary.json tells people, a sentence each; one on a pair begins with the
    name of an engine, which keeps its letters."""
    first = str(until["sentence"])
    told = [f"{first[0].upper()}{first[1:]}", *(one["words"] for one in until["open"] if one["given_up"])]
    return [f"{words.rstrip('.')}." for words in told]


def wanted_launches(campaign: Mapping[str, Any]) -> int | Mapping[str, Any]:
    """What `benchmark.launches` asked for, as the plan's `campaign` tells it."""
    wanted: int | Mapping[str, Any] = campaign.get("until") or campaign["launches"]
    return wanted


def each_in_words(campaign: Mapping[str, Any]) -> str:
    """How many launches of each engine the plan's `campaign` has."""
    launches = plural(campaign["launches"], "launch")
    return f"up to {launches}" if campaign.get("until") else launches
