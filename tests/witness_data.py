"""Twenty seeded data sets on which every statistic is held against another implementation.

Run as a program it prints them as CSV, which tests/statistics/witness.R reads. Between them they have ties, 2 to 30
launches, unequal numbers, scales from 1e-9 to 1e12, drift both ways and outliers. Values have ten significant digits,
so that R and Python read the same number.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

SIGNIFICANT_DIGITS = 10


@dataclass(frozen=True)
class Recipe:
    """How a data set is drawn: launches of two engines, and the iterations of some launches of a third."""

    launches_a: int
    launches_b: int
    iterations: tuple[int, ...]
    scale: float = 1.0
    spread: float = 0.03
    """Standard deviation of the logarithm of launch values, and of iterations."""
    ratio: float = 1.0
    drift: float = 0.0
    """Change of the logarithm from the first launch, or iteration, to the last."""
    step: float = 0.0
    """Of the logarithm of each launch's first third of iterations."""
    outlier: float = 1.0
    """Factor on the last launch of a, and on the last iteration of each launch."""
    grid: float | None = None
    """Values are rounded to multiples of this share of the scale: ties."""


@dataclass(frozen=True)
class DataSet:
    """Launch values a and b, of which the first min(len) pair up as blocks, and launches of iterations."""

    name: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    launches: tuple[tuple[float, ...], ...]

    @property
    def blocks(self) -> int:
        """Launches of a and b that pair up."""
        return min(len(self.a), len(self.b))

    @property
    def tied(self) -> bool:
        """Whether any two launch values are equal."""
        return len({*self.a, *self.b}) < len(self.a) + len(self.b)


RECIPES = {
    "two launches": Recipe(2, 2, (2, 2)),
    "two against three": Recipe(2, 3, (3, 2), ratio=1.1),
    "three launches": Recipe(3, 3, (12, 10), scale=120.0),
    "four, tied": Recipe(4, 4, (10, 10, 11), scale=1e3, grid=0.02),
    "four against nine": Recipe(4, 9, (10, 17, 4), ratio=0.9, scale=1e-9),
    "five, far apart": Recipe(5, 5, (15, 15, 15), ratio=3.0, scale=1e12),
    "six, drifting up": Recipe(6, 6, (20, 20, 20), drift=0.2, scale=47.0),
    "six, drifting down": Recipe(6, 6, (20, 11, 20), drift=-0.2, scale=0.004),
    "seven against six, tied": Recipe(7, 6, (12, 12, 12, 12), grid=0.03, ratio=1.03, scale=20.0),
    "eight with an outlier": Recipe(8, 8, (24, 24, 24), outlier=4.0, scale=310.0),
    "nine, hardly any spread": Recipe(9, 9, (10, 10, 10, 10), spread=1e-5, ratio=1.00001, scale=88.0),
    "ten, wide": Recipe(10, 10, (30, 30), spread=0.8, scale=1e6),
    "ten, two values only": Recipe(10, 10, (25, 25, 25), grid=0.06, scale=5.0),
    "ten against four": Recipe(10, 4, (40, 3, 40), ratio=1.01, scale=1e-3),
    "twelve with a step": Recipe(12, 12, (30, 30, 30, 30), step=0.4, ratio=1.02, scale=15.0),
    "fifteen, tied, unequal": Recipe(15, 11, (18, 19, 20, 21), grid=0.01, drift=0.05, scale=1e4),
    "twenty": Recipe(20, 20, (50, 50), ratio=1.015, spread=0.02, scale=9.81),
    "twenty, drifting, outlier": Recipe(20, 17, (37, 50, 28), drift=-0.1, outlier=0.2, scale=2e5),
    "thirty": Recipe(30, 30, (60, 60, 60, 60, 60, 60, 60), ratio=0.995, scale=1e-6),
    "thirty against thirteen, tied": Recipe(30, 13, (45, 45, 44), grid=0.005, step=-0.1, scale=77.0),
}


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _drawn(recipe: Recipe, rng: random.Random, count: int, factor: float = 1.0, step: float = 0.0) -> tuple[float, ...]:
    # Not rng.gauss: only random() promises the same numbers in every version of Python.
    normal = NormalDist(0.0, recipe.spread)
    values = []
    for place in range(count):
        trend = recipe.drift * place / max(count - 1, 1) + (step if place < count // 3 else 0.0)
        value = factor * math.exp(trend + normal.inv_cdf(rng.random()))
        if recipe.grid is not None:
            value = recipe.grid * max(1, round(value / recipe.grid))
        values.append(value * recipe.scale)
    return tuple(_significant(value) for value in values)


def _with_outlier(values: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return (*values[:-1], _significant(values[-1] * factor))


def _data_set(number: int, name: str, recipe: Recipe) -> DataSet:
    rng = random.Random(1000 + number)
    a = _with_outlier(_drawn(recipe, rng, recipe.launches_a, recipe.ratio), recipe.outlier)
    b = _drawn(recipe, rng, recipe.launches_b)
    launches = []
    for count in recipe.iterations:
        launch = math.exp(0.02 * (rng.random() - 0.5))
        launches.append(_with_outlier(_drawn(recipe, rng, count, launch, recipe.step), recipe.outlier))
    return DataSet(name, a, b, tuple(launches))


@cache
def data_sets() -> tuple[DataSet, ...]:
    """All of them, in a fixed order."""
    return tuple(_data_set(number, *recipe) for number, recipe in enumerate(RECIPES.items()))


def write_csv() -> None:
    """Print one value a line: data set, what it belongs to (a, b, or the number of a launch of iterations), value."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("set", "part", "value"))
    for one in data_sets():
        parts = {"a": one.a, "b": one.b} | {str(number): values for number, values in enumerate(one.launches, start=1)}
        for part, values in parts.items():
            writer.writerows((one.name, part, repr(value)) for value in values)


if __name__ == "__main__":
    write_csv()
