"""The order of launches: serially balanced and randomised, the engines of one workload side by side.

Engines are compared within a workload, so in each block the engines of one workload run in a row and a pair is minutes
apart, not a block. What an engine leaves behind (a hot chip, a lowered clock) slows whoever comes next: within each
workload, every engine follows every engine about equally often. Itself it can follow only from one row to the next, so
a row begins with the engine that ended the one before. Serially balanced sequences: Finney & Outhwaite 1956,
Proc. R. Soc. B 145, 493-507; restricted randomisation: Bailey 1987, J. Am. Stat. Assoc. 82, 712-719.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from operator import add, getitem
from typing import Final, TypeVar

DRAWS: Final = 16
"""Random orders that a row is chosen from, each as drawn and as a walk to the least frequent follower. Chosen: more
hardly improve the balance, and a thousand blocks of seven engines in two workloads take a second."""

FOLLOWING: Final = 10
"""Weight of a pair of neighbours that was there within the workload; the others are chosen below it, in its terms."""
FOLLOWING_ANYWHERE: Final = 3
PLACE_IN_ROW: Final = 4
PLACE_IN_BLOCK: Final = 2

Cell = TypeVar("Cell", bound=tuple[str, ...])
"""What is launched: engine, workload, and whatever else names it."""

Row = list[int]
"""Engines, by number, in the order in which they run one workload."""


def _table(rows: int, columns: int) -> list[list[int]]:
    return [[0] * columns for _ in range(rows)]


class _Counts:
    """How often each thing was there in the rows so far, and what more of it costs."""

    def __init__(self, engines: int, workloads: int) -> None:
        self.engines = engines
        self._followed = [_table(engines, engines) for _ in range(workloads)]
        self._followed_anywhere = _table(engines, engines)
        self._placed = [_table(engines, engines) for _ in range(workloads)]
        self._turns = _table(workloads, workloads)

    def following(self, workload: int) -> list[list[int]]:
        """Cost of an engine behind another in a workload: [before][engine]."""
        return [
            [FOLLOWING * here + FOLLOWING_ANYWHERE * anywhere for here, anywhere in zip(*pair, strict=True)]
            for pair in zip(self._followed[workload], self._followed_anywhere, strict=True)
        ]

    def placing(self, workload: int) -> list[list[int]]:
        """Cost of an engine at a place of a workload's row: [place][engine]."""
        return [[PLACE_IN_ROW * count for count in place] for place in self._placed[workload]]

    def ending(self, workload: int, turn: int) -> list[int]:
        """Cost of each engine as the last one before a workload's row, which it then begins too."""
        followed, anywhere = self._followed[workload], self._followed_anywhere
        first, turns = self._placed[workload][0], PLACE_IN_BLOCK * self._turns[turn][workload]
        return [
            FOLLOWING * followed[n][n] + FOLLOWING_ANYWHERE * anywhere[n][n] + PLACE_IN_ROW * first[n] + turns
            for n in range(self.engines)
        ]

    def add(self, row: Row, workload: int, turn: int, before: int | None) -> None:
        """Count a row that was chosen."""
        self._turns[turn][workload] += 1
        for place, engine in enumerate(row):
            self._placed[workload][place][engine] += 1
            if before is not None:
                self._followed[workload][before][engine] += 1
                self._followed_anywhere[before][engine] += 1
            before = engine


def _walk(drawn: Row, cost_at: Callable[[int, int], list[int]], ending: list[int]) -> Row:
    """A row that begins as drawn, ends with the cheapest engine and goes on with the cheapest at each place between;
    among equal ones with the first that was drawn. cost_at gives what each engine costs behind one at a place."""
    row, left = drawn[:1], drawn[1:]
    if not left:
        return row
    last = min(left, key=ending.__getitem__)
    left.remove(last)
    while left:
        cheapest = min(left, key=cost_at(row[-1], len(row)).__getitem__)
        left.remove(cheapest)
        row.append(cheapest)
    return [*row, last]


def _next_row(
    rng: random.Random,
    counts: _Counts,
    engines: Sequence[int],
    workload: int,
    before: int | None,
    coming: Sequence[int],
    turn: int,
) -> tuple[Row, int]:
    """Row of the engines in a workload, and which of the coming workloads has the turn behind it."""
    following, placing = counts.following(workload), counts.placing(workload)
    ends = {then: counts.ending(then, turn) for then in coming}
    # The last engine has the place behind all others.
    last_ends = {then: list(map(add, costs, placing[len(engines) - 1])) for then, costs in ends.items()}

    @cache
    def cost_at(before: int, place: int) -> list[int]:
        return list(map(add, following[before], placing[place]))

    def cost(row: Row, ending: list[int]) -> int:
        places = sum(map(getitem, placing, row))
        pairs = sum(map(getitem, map(following.__getitem__, row), row[1:]))
        return places + pairs + ending[row[-1]]

    found = []
    for _ in range(DRAWS):
        then, drawn = rng.choice(coming), rng.sample(engines, len(engines))
        if before in drawn:
            drawn.remove(before)
            drawn.insert(0, before)
        for row in (drawn, _walk(drawn, cost_at, last_ends[then])):
            found.append((cost(row, ends[then]), row, then))
    _, row, then = min(found, key=lambda candidate: candidate[0])
    return row, then


def balanced_blocks(blocks: Sequence[Sequence[Cell]], seed: int) -> list[tuple[int, Cell]]:
    """The cells of each block, a workload's in a row; (block from 1, cell) in launch order.

    A row depends on seed, cells and the rows before it alone: more blocks later leave the first ones as they were, and
    a later block may hold fewer cells.
    """
    every = [cell for cells in blocks for cell in cells]
    engines, workloads = ({name: n for n, name in enumerate(dict.fromkeys(cell[i] for cell in every))} for i in (0, 1))
    counts = _Counts(len(engines), len(workloads))
    order: list[tuple[int, Cell]] = []
    before: int | None = None
    then: int | None = None
    for block, cells in enumerate(blocks, start=1):
        rows: dict[int, dict[int, Cell]] = {}
        for cell in cells:
            rows.setdefault(workloads[cell[1]], {})[engines[cell[0]]] = cell
        to_come = sorted(rows)
        for turn in range(len(rows)):
            rng = random.Random(f"{seed}:{block}:{turn}")
            workload = then if then is not None and then in to_come else rng.choice(to_come)
            to_come.remove(workload)
            row, then = _next_row(
                rng, counts, sorted(rows[workload]), workload, before, to_come or sorted(rows), (turn + 1) % len(rows)
            )
            counts.add(row, workload, turn, before)
            order.extend((block, rows[workload][engine]) for engine in row)
            before = row[-1]
    return order
