"""A campaign until decided: what its looks have decided, what the next group measures, and when it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from scipy.special import ndtr

from benchmark_runner.display import percent, plural, significant
from benchmark_runner.statistics.comparison_document import what_it_takes
from benchmark_runner.statistics.comparisons import Family, Member
from benchmark_runner.statistics.estimates import t_quantile
from benchmark_runner.statistics.inputs import Measurements
from benchmark_runner.statistics.looks import Looks
from benchmark_runner.statistics.planned import GIVE_UP_BELOW, PlannedLook, looks_of_plan
from benchmark_runner.statistics.verdicts import Judgement
from benchmark_runner.statistics.wording import CERTAIN, EQUIVALENCE_MARGIN, SHOWN

S_PER_H: Final = 3600.0

CellName = tuple[str, str]
"""Engine and workload."""


def reached_looks(inputs: Measurements) -> list[PlannedLook | None]:
    """The planned looks to whose block every launch of the plan has its record; last None where more is there."""
    order = inputs.plan["order"]
    there = {(launch.engine, launch.workload, launch.block) for launch in inputs.launches}
    absent = [row["block"] for row in order if (row["engine"], row["workload"], row["block"]) not in there]
    whole = min(absent) - 1 if absent else max(row["block"] for row in order)
    reached: list[PlannedLook | None] = [
        look for look in looks_of_plan(inputs.plan["campaign"]) if look.launches <= whole
    ]
    last = reached[-1].launches if reached and reached[-1] else 0
    beyond = any(block > last for _, _, block in there)
    return [*reached, None] if beyond or not reached else reached


def chance_to_decide(judgement: Judgement, at_most: int, alpha: float, tests: int) -> float:
    """Chance that at_most launches tell the pair apart or show it to be equivalent, at alpha over tests, by what it
    shows so far.

    Where nothing else is known of the true difference, the mean of all N launches lies around that of the first n with
    the variance s^2 (1/n - 1/N) (Spiegelhalter, Freedman & Blackburn 1986, Controlled Clin. Trials 7, 8-17).
    """
    pair = judgement.pair
    if pair.passes:
        return 0.0  # whatever they show, it is not confirmed
    t = judgement.evidence.t.get(judgement.scheme.first(paired=pair.paired))
    if t is None or judgement.comparison is None:
        return 1.0  # nothing speaks against it
    n, left = t.n, 1.0 / t.n - 1.0 / max(at_most, t.n)
    spread = t.standard_error * math.sqrt(n)
    error, df, level = spread / math.sqrt(max(at_most, n)), t.df + at_most - n, alpha / max(tests, 1)
    apart = t_quantile(df, 1.0 - level) * error + pair.doubt
    margin = math.log1p(EQUIVALENCE_MARGIN) - pair.doubt - pair.resolution
    alike = max(0.0, margin - t_quantile(df, 1.0 - 2.0 * level) * error)
    sd = max(spread * math.sqrt(left), 1e-12)

    def beyond(limit: float) -> float:
        return float(ndtr((t.mean - limit) / sd) + ndtr((-limit - t.mean) / sd))

    return min(1.0, beyond(apart) + (1.0 - beyond(alike) if alike else 0.0))


@dataclass(frozen=True)
class _Open:
    """A comparison that no look has decided, with the chance that the launches allowed decide it."""

    member: Member
    place: str
    chance: float
    launches_needed: int | None
    hours: float | None

    @property
    def given_up(self) -> bool:
        """Whether no further launches are spent on it."""
        return self.chance < GIVE_UP_BELOW

    @property
    def words(self) -> str:
        """What further launches would take."""
        pair = self.member.judgement.pair
        stands = "is given up" if self.given_up else "is not decided yet"
        who = f"{pair.engine} against {pair.reference} ({self.place}) {stands}"
        if self.launches_needed is None or self.hours is None:
            return f"{who}: no affordable number of launches would decide it"
        launches = plural(self.launches_needed, "launch")
        return f"{who}: it would take about {launches} of each, {significant(self.hours, 2)} hours more"

    def to_json(self) -> dict[str, Any]:
        """As the section `until` has it."""
        pair, place = self.member.judgement.pair, self.member.place
        return {
            "workload": place.workload,
            "case": place.case,
            "engine": pair.engine,
            "reference": pair.reference,
            "chance": self.chance,
            "given_up": self.given_up,
            "launches_needed": self.launches_needed,
            "hours": self.hours,
            "words": self.words,
        }


class Until:
    """Where a campaign until decided stands at its present look."""

    def __init__(self, inputs: Measurements, primary: Family, looks: Looks) -> None:
        self._inputs = inputs
        self._primary = primary
        self._looks = looks
        self._planned = looks_of_plan(inputs.plan["campaign"])

    @property
    def at_most(self) -> int:
        """Most launches of each engine."""
        return self._planned[-1].launches

    def _open(self, member: Member) -> _Open:
        judgement, tests = member.judgement, self._primary.tests
        pair, alpha = judgement.pair, self._inputs.alpha * self._planned[-1].share
        _, needed = what_it_takes(judgement, tests)
        sides = [self._inputs.launch_seconds(name, member.place.workload) for name in (pair.engine, pair.reference)]
        hours = None
        if needed is not None and None not in sides:
            hours = max(needed - pair.fewest, 0) * sum(side for side in sides if side is not None) / S_PER_H
        told = sum(one.judgement.verdict in CERTAIN for one in self._primary.members)
        chance = chance_to_decide(judgement, self.at_most, alpha, tests - told)
        place = self._inputs.place(member.place.workload, member.place.case)
        return _Open(member, place, chance, needed, hours)

    @cached_property
    def open(self) -> list[_Open]:
        """Comparisons that more launches may decide, or could if there were more."""
        return [
            self._open(one)
            for one in self._primary.members
            if one.judgement.verdict not in SHOWN and one.judgement.pair.counts
        ]

    @cached_property
    def _wanted(self) -> set[CellName]:
        """Engines and workloads of which some comparison needs further launches; the control stays with them."""
        found: set[CellName] = set()
        for one in self.open:
            if not one.given_up:
                pair, workload = one.member.judgement.pair, one.member.place.workload
                found |= {(pair.engine, workload), (pair.reference, workload)}
        for name, engine in self._inputs.engines.items():
            if engine.control_of is not None:
                found |= {(who, workload) for who in (name, engine.control_of) for _, workload in list(found)}
        return found

    @cached_property
    def _planned_cells(self) -> list[CellName]:
        return list(dict.fromkeys((row["engine"], row["workload"]) for row in self._inputs.plan["order"]))

    @property
    def is_last(self) -> bool:
        """Whether no further look is planned."""
        return self._looks.planned is not None and self._looks.planned.launches == self.at_most

    @property
    def cells(self) -> list[CellName]:
        """Engines and workloads of the next group, in the plan's order; none at the end."""
        if self.is_last or self._looks.planned is None:
            return []
        return [cell for cell in self._planned_cells if cell in self._wanted]

    @property
    def absent(self) -> list[CellName]:
        """Engines and workloads of which no launch ended ok: were that to change, the looks would be made anew."""
        engines = self._inputs.engines
        return [(name, workload) for name, workload in self._planned_cells if not engines[name].ok(workload)]

    @property
    def ended(self) -> str | None:
        """Why no further group is measured; None where one is, or where the launches of the present one lack."""
        if self._looks.planned is None or self.cells:
            return None
        if any(one.given_up for one in self.open) and all(one.given_up for one in self.open):
            return "given_up"
        return "at_most" if self.open else "decided"

    @property
    def not_needed(self) -> tuple[int, int]:
        """(launches that were allowed and not planned, launches that were allowed)."""
        allowed = self.at_most * len(self._planned_cells)
        return allowed - len(self._inputs.plan["order"]), allowed

    def sentence(self) -> str:
        """Where the campaign stands, for people."""
        look, members = self._looks.planned, self._primary.members
        shown = sum(one.judgement.verdict in SHOWN for one in members)
        decided = f"{shown or 'none'} of {plural(len(members), 'comparison')} decided"
        if impossible := len(members) - shown - len(self.open):
            decided += f" and {impossible} that cannot be made"
        if look is None:
            return f"{decided}; launches of the present group are missing, which the same command measures"
        if not members:
            return "there is no pair of engines to decide about"
        after = f"after {look.launches} of at most {plural(self.at_most, 'launch')}"
        saved, allowed = self.not_needed
        spared = f"{saved} of {plural(allowed, 'launch')} not needed"
        if self.ended is None:
            following = next(one.launches for one in self._planned if one.launches > look.launches)
            names = dict.fromkeys(engine for engine, _ in self.cells)
            return f"{decided} {after}; going on to {following} with {', '.join(names)}"
        if self.ended == "decided":
            return f"{decided if impossible else 'decided'} {after}: {spared}"
        if self.ended == "given_up":
            rest = "the rest" if shown else "they"
            why = f"{rest} would be decided by further launches with a chance below {percent(GIVE_UP_BELOW)} each"
            return f"{decided}, {why}; stopped {after}: {spared}"
        return f"{decided} {after}, which is all that is allowed: {spared}"


def _named(cells: list[CellName]) -> list[dict[str, str]]:
    return [{"engine": engine, "workload": workload} for engine, workload in cells]


def until_json(inputs: Measurements, primary: Family, looks: Looks) -> dict[str, Any] | None:
    """The section `until` of statistical_summary.json; None of a campaign with a fixed number of launches."""
    if not looks_of_plan(inputs.plan["campaign"]):
        return None
    found = Until(inputs, primary, looks)
    saved, allowed = found.not_needed
    return {
        "at_most": found.at_most,
        "look": looks.planned.launches if looks.planned else None,
        "ended": found.ended,
        "cells": _named(found.cells),
        "absent": _named(found.absent),
        "open": [one.to_json() for one in found.open],
        "launches_not_needed": saved if found.ended else None,
        "launches_allowed": allowed,
        "sentence": found.sentence(),
    }
