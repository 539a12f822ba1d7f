"""Charts over the levels of a load, drawn as SVG by the template: their places are percent of the drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from benchmark_runner.display import significant
from benchmark_runner.plots.levels import Panel, Point
from benchmark_runner.plots.scales import HEADROOM, LIMIT_IN_SIGHT, spread
from benchmark_runner.plots.signs import Sign
from benchmark_runner.report.forest import Axis
from benchmark_runner.statistics.levels import Grid, level_text

LEAST_ROWS: Final = 14  # lines of text that a drawing is high; more engines make it higher, so that all have a name
XY = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line: points and band as SVG has them, dots, what a pointer over it tells; dashed is a tail."""

    engine: str
    colour: str
    dashed: bool
    line: str
    band: str
    dots: Sequence[XY]
    words: str


@dataclass(frozen=True)
class Name:
    """An engine's name beside the end of its line, at a height in percent from the top."""

    engine: str
    sign: Sign
    top: float
    value: str


@dataclass(frozen=True)
class Chart:
    """One panel; ticks are (percent, label), limit is points as SVG has them or empty, rows the height in lines."""

    name: str
    finding: str
    x_label: str
    y_label: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    curves: Sequence[Curve]
    names: Sequence[Name]
    limit: str
    rows: int


def chart(panel: Panel, grid: Grid, signs: Mapping[str, Sign]) -> Chart | None:
    """The panel as the template draws it; None where no engine has a point."""
    points = [point for curves in (panel.curves, panel.tails) for found in curves.values() for point in found]
    if not points:
        return None
    highest = max(end for _, *values in points for end in values if end is not None)
    limit = max((y for _, y in panel.limit), default=0.0)
    in_sight = limit <= LIMIT_IN_SIGHT * highest
    y = Axis(0.0, HEADROOM * (max(highest, limit if in_sight else 0.0) or 1.0), suffix="", margin=0.0, steps=6)
    low, high = min(point[0] for point in points), max(point[0] for point in points)
    x = Axis(low, high, suffix="") if high > low else Axis(low / 2, 1.5 * high, suffix="")
    rows = max(LEAST_ROWS, len(panel.curves))
    drawing = _Drawing(x, y)
    curves = [
        drawing.curve(engine, signs[engine].colour, found, dashed=found is panel.tails.get(engine))
        for engine in panel.curves
        for found in (panel.curves[engine], panel.tails.get(engine, ()))
        if found
    ]
    return Chart(
        panel.name,
        panel.finding,
        panel.x_label,
        panel.y_label,
        [(x.place(level), level_text(level)) for level in grid.levels] if panel.over_levels else x.ticks,
        [(100 - place, label) for place, label in y.ticks],
        curves,
        list(_names(panel, signs, y, rows)),
        drawing.line(panel.limit) if panel.limit and in_sight else "",
        rows,
    )


@dataclass(frozen=True)
class _Drawing:
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> XY:
        return self.x.place(x), round(100 - self.y.place(y), 2)

    def line(self, points: Sequence[XY]) -> str:
        return " ".join("{},{}".format(*self.at(*point)) for point in points)

    def curve(self, engine: str, colour: str, points: Sequence[Point], *, dashed: bool) -> Curve:
        typical = [(x, point) for x, point, _, _ in points]
        within = [(x, low, high) for x, _, low, high in points if low is not None and high is not None]
        band = [*((x, high) for x, _, high in within), *((x, low) for x, low, _ in reversed(within))]
        told = "; ".join(f"{significant(point)}{_interval(low, high)} at {x:.3g}" for x, point, low, high in points)
        words = f"{engine}{', tail' if dashed else ''}: {told}"
        return Curve(
            engine, colour, dashed, self.line(typical), self.line(band), [self.at(*one) for one in typical], words
        )


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({significant(low)} to {significant(high)})"


def _names(panel: Panel, signs: Mapping[str, Sign], y: Axis, rows: int) -> Iterator[Name]:
    """Names at the ends of their lines, moved apart where they would overlap, all beside the drawing."""
    ends, line = sorted((found[-1][1], engine) for engine, found in panel.curves.items()), 100 / rows
    places = spread([y.place(value) for value, _ in ends], line)
    lowest = accumulate(places, lambda below, place: max(place, below + line), initial=-line)
    for number, ((value, engine), place) in enumerate(zip(ends, list(lowest)[1:], strict=True)):
        highest = 100 - (len(ends) - 1 - number) * line
        yield Name(engine, signs[engine], round(100 - min(place, highest), 2), significant(value))
