"""Launches of one engine that fall into two groups: a slow mode, or single launches that stand apart.

An engine may be slower in one launch of three: where its memory came to lie, which cores its threads got. A mean over
few launches then says little of the next launch, so what is said of such an engine has to hold in either mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy.special import fdtrc

from benchmark_runner.arrays import FloatArray
from benchmark_runner.display import plural, significant
from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.estimates import negligible_spread
from benchmark_runner.statistics.levels import Load, load_words
from benchmark_runner.statistics.results import Cell

FEWEST_FOR_MODES: Final = 5
"""Chosen: of fewer launches none lies far enough from the others' mean to be told from chance."""

SPLIT_ALPHA: Final = 0.1
EXCESS_ALPHA: Final = 0.01
"""Chosen: with SPLIT_ALONE_ALPHA, 4 of 1,000 quiet engines are said to have modes (simulated)."""

SPLIT_ALONE_ALPHA: Final = 0.002
"""Chosen: for engines that all have modes, and where one engine stands alone."""

UNSEEN_CHANCE: Final = 0.05
"""Chosen: a mode that shows in none of the launches with at least this chance could have been missed."""

STEPS_APART: Final = 2.0
"""Chosen: groups that lie no further apart than this many steps of the clock are made by its rounding."""

_DRAWS: Final = 10_000
_SEED: Final = 20_261_129


@dataclass(frozen=True)
class Modes:
    """Launches of an engine as two groups: `higher` of them have the larger values, and the groups' means are `apart`
    (of logarithms)."""

    higher: int
    launches: int
    apart: float

    def words(self, engine: str, where: str) -> str:
        """ "2 of 8 launches of candle on latency_test lie 15 % above its others"."""
        few, factor, side = min(
            (self.higher, math.expm1(self.apart), "above"),
            (self.launches - self.higher, -math.expm1(-self.apart), "below"),
        )
        lie = "lies" if few == 1 else "lie"
        apart = f"{significant(100 * factor, 2)} % {side} its others"
        return f"{few} of {self.launches} launches of {engine} on {where} {lie} {apart}"


def unseen_share(launches: int) -> float:
    """Share of launches below which a mode shows in none of so many with a chance above UNSEEN_CHANCE."""
    return 1.0 - math.pow(UNSEEN_CHANCE, 1.0 / launches)


def _separations(ordered: FloatArray) -> FloatArray:
    """For each split of ascending rows into the first k and the rest: log of the squares between over those within."""
    n = ordered.shape[-1]
    centred = ordered - ordered.mean(axis=-1, keepdims=True)
    left = np.arange(1, n)
    between = np.cumsum(centred, axis=-1)[..., :-1] ** 2 * (1.0 / left + 1.0 / (n - left))
    total = np.sum(centred**2, axis=-1, keepdims=True)
    tiny = np.finfo(np.float64).tiny
    separations: FloatArray = np.log(np.maximum(between, tiny) / np.maximum(total - between, 1e-12 * total + tiny))
    return separations


@lru_cache(maxsize=64)
def _by_chance(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(mean and standard deviation of each split's separation, ascending largest standardised ones) of normal
    values."""
    drawn = _separations(np.sort(np.random.default_rng(_SEED).standard_normal((_DRAWS, n)), axis=1))
    mean, sd = drawn.mean(axis=0), drawn.std(axis=0)
    return mean, sd, np.sort(np.max((drawn - mean) / sd, axis=1))


def best_split(logs: FloatArray) -> tuple[Modes, float]:
    """The split of values into two groups that would surprise most among normal ones, and its p.

    Squares between the groups over those within, standardised for each size of the groups by what normal values give,
    so that one launch far apart (Grubbs 1969, Technometrics 11, 1-21) counts as much as two halves (Engelman &
    Hartigan 1969, JASA 64, 1647-1648). p is the share of seeded normal samples that split as well or better.
    """
    n, ordered = len(logs), np.sort(logs)
    mean, sd, largest = _by_chance(n)
    standardised = (_separations(ordered) - mean) / sd
    lower = int(np.argmax(standardised)) + 1
    beyond = _DRAWS - int(np.searchsorted(largest, standardised[lower - 1], side="left"))
    apart = float(np.mean(ordered[lower:]) - np.mean(ordered[:lower]))
    return Modes(n - lower, n, apart), (beyond + 1) / (_DRAWS + 1)


def _medians(rows: FloatArray) -> FloatArray:
    """Median of each column's numbers, NaN where it has none; numpy's nanmedian takes ten times as long."""
    ordered, counts = np.sort(rows, axis=0), np.sum(~np.isnan(rows), axis=0)
    middle = np.stack([np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, len(rows) - 1)])
    medians: FloatArray = np.mean(np.take_along_axis(ordered, middle, axis=0), axis=0)
    return medians


def _aligned(name: str, rows: Mapping[str, FloatArray]) -> FloatArray:
    """An engine's logarithms by block less what the block did to the others (their median); without blocks that no
    other has."""
    aligned = rows[name] - _medians(np.array([row for other, row in rows.items() if other != name]))
    kept: FloatArray = aligned[~np.isnan(aligned)]
    return kept


def _excess_p(values: FloatArray, others: list[FloatArray]) -> float:
    """p of an F test that an engine's launches vary more than those of the others together."""
    others = [one for one in others if len(one) > 1]
    free, pooled = len(values) - 1, sum(len(one) - 1 for one in others)
    squares = sum(float(np.sum((one - np.mean(one)) ** 2)) for one in others)
    return float(fdtrc(free, pooled, float(np.var(values, ddof=1)) * pooled / squares)) if squares > 0.0 else 1.0


def find_modes(launches: Mapping[str, Mapping[int, float]]) -> dict[str, Modes]:
    """The engines of one place whose launches fall into two groups, from positive values by engine and block.

    Values are aligned by block, so that a slow block is no mode. The engine that stands out most is found first and
    then helps to align no other. Where only two engines ran, a mode of either shows in both: then the values as they
    are must split too.
    """
    blocks = sorted({block for values in launches.values() for block in values})
    rows = {
        name: np.log([values.get(block, math.nan) for block in blocks]) - math.log(np.median(list(values.values())))
        for name, values in launches.items()
        if len(values) >= FEWEST_FOR_MODES and all(value > 0.0 for value in values.values())
    }
    found: dict[str, Modes] = {}
    while len(left := {name: row for name, row in rows.items() if name not in found}) > 1:
        told = [(*one, name) for name in left if (one := _stands_out(name, left)) is not None]
        if not told:
            break
        _, modes, name = min(told, key=lambda one: one[0])
        found[name] = modes
    return found


def _stands_out(name: str, rows: Mapping[str, FloatArray]) -> tuple[float, Modes] | None:
    """(how surprising, the modes) of one engine among those that have a row; None where chance may have made them."""
    values = _aligned(name, rows)
    if len(values) < FEWEST_FOR_MODES or negligible_spread(values):
        return None
    modes, p = best_split(values)
    if len(rows) == 2:
        p = max(p, best_split(rows[name][~np.isnan(rows[name])])[1])
    if p > SPLIT_ALPHA:
        return None
    others = {other: row for other, row in rows.items() if other != name}
    excess = _excess_p(values, [_aligned(other, others) for other in others]) if len(others) > 1 else 1.0
    return (p * excess, modes) if p <= SPLIT_ALONE_ALPHA or excess <= EXCESS_ALPHA else None


@dataclass(frozen=True)
class Seen:
    """Modes of an engine in one metric, in the place in which they lie furthest apart."""

    place: Cell
    modes: Modes

    def words(self, engine: str, loads: Mapping[tuple[str, str], Load]) -> str:
        """The modes in words, with the workload and the level of load at which they were seen; loads by (workload,
        case)."""
        load = load_words(loads.get((self.place.workload, self.place.case or "")))
        return self.modes.words(engine, f"{self.place.workload}{load and f' {load}'}")


@dataclass(frozen=True)
class SeenModes:
    """All modes that launches showed in one metric, as (place, engine, modes); loads are by (workload, case)."""

    found: Sequence[tuple[Cell, str, Modes]]
    loads: Mapping[tuple[str, str], Load]

    def at(self, engine: str, place: Cell) -> Seen | None:
        """The widest modes of an engine that hold in a place.

        What was seen in one place holds in all, since few launches may miss it elsewhere. What was seen at one level of
        load holds there alone: all levels of a launch are of one process, whose modes show at each.
        """
        here = (
            (where, name, modes)
            for where, name, modes in self.found
            if name == engine and (where == place or (where.workload, where.case or "") not in self.loads)
        )
        return widest(here).get(engine)

    def told(self) -> dict[str, list[Seen]]:
        """By engine what is to be told of it: its widest modes that hold in all places, and wider ones of a level."""
        names, places = dict.fromkeys(name for _, name, _ in self.found), dict.fromkeys(at for at, _, _ in self.found)
        return {
            name: list(dict.fromkeys(seen for place in places if (seen := self.at(name, place)) is not None))
            for name in names
        }

    def apart(self, engines: Iterable[str], place: Cell) -> float:
        """How far the modes of these engines lie apart in a place, together."""
        return sum(seen.modes.apart for engine in engines if (seen := self.at(engine, place)) is not None)


def widest(found: Iterable[tuple[Cell, str, Modes]]) -> dict[str, Seen]:
    """By engine its widest modes."""
    seen: dict[str, Seen] = {}
    for place, name, modes in found:
        if name not in seen or modes.apart > seen[name].modes.apart:
            seen[name] = Seen(place, modes)
    return seen


def mode_cautions(seen: SeenModes, cells: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Engines with modes in the primary metric, and which modes the launches of any could have missed."""
    for name, found in seen.told().items():
        everywhere = any((one.place.workload, one.place.case or "") not in seen.loads for one in found)
        there = "" if everywhere else " there"
        yield caution(
            "slow_mode",
            "warning",
            f"{'; '.join(one.words(name, seen.loads) for one in found)}, too many or too far for "
            f"chance; its verdicts{there} hold in either mode or are unconfirmed",
            "See what those launches have in common (cores, memory, warnings in their records); more launches show how "
            "often it happens",
            engine=name,
        )
    fewest = min((cell["launches"] for cell in cells if cell["case"] is not None and cell["launches"]), default=0)
    if fewest:
        yield caution(
            "unseen_modes",
            "note",
            f"{plural(fewest, 'launch')}: a slow mode in fewer than {100 * unseen_share(fewest):.0f} % of launches "
            f"could have been missed (with a chance above {100 * UNSEEN_CHANCE:g} %)",
            "Raise benchmark.launches where rare slow launches matter",
        )
