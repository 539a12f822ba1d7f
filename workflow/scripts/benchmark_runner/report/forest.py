"""The forest plot of the first screen: ratios to the baseline with intervals, a facet a workload, drawn as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

from benchmark_runner.display import TIMES, plural, significant
from benchmark_runner.plots.scales import LOG_FROM_RATIO
from benchmark_runner.plots.signs import Sign
from benchmark_runner.report.figures import Figure, figure, in_unit, span
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell

MOST_ROWS: Final = 14  # more would push the panel off a screen of 900 pixels; the others are folded
MARGIN: Final = 0.04  # of the axis, on each side


@dataclass(frozen=True)
class Axis:
    """Values from low to high over the width, on a logarithm where they lie far apart and do not begin at 0."""

    low: float
    high: float
    suffix: str = TIMES
    margin: float = MARGIN
    steps: int = 4

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios take equal room."""
        return 0 < LOG_FROM_RATIO * self.low < self.high

    def place(self, ratio: float) -> float:
        """Percent from the left."""
        low, high, here = (
            map(math.log, (self.low, self.high, ratio)) if self.logarithmic else (self.low, self.high, ratio)
        )
        return round(100 * (self.margin + (1 - 2 * self.margin) * (here - low) / (high - low)), 2)

    def _values(self) -> list[float]:
        """Round values from below the axis to beyond it."""
        locator = (
            LogLocator(subs=(1.0, 2.0, 5.0)) if self.logarithmic else MaxNLocator(nbins=self.steps, steps=[1, 2, 5, 10])
        )
        beyond = 10 * self.high if self.logarithmic else self.high  # LogLocator ends within its range
        return [float(value) for value in locator.tick_values(self.low, beyond)]

    def to_a_tick(self) -> Axis:
        """The same up to the next tick, so that nothing lies beyond the last one."""
        return replace(self, high=min((value for value in self._values() if value >= self.high), default=self.high))

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """(percent from the left, label)."""
        return [
            (self.place(value), f"{value:,.10g}{self.suffix}")
            for value in self._values()
            if self.low <= value <= self.high
        ]

    @property
    def words(self) -> str:
        """Where the axis begins, as it does not at 0."""
        return "logarithmic axis" if self.logarithmic else f"the axis begins at {significant(self.low, 2)}{TIMES}"


@dataclass(frozen=True)
class Row:
    """One engine in one facet: standing as the function has it; places are percent, None without a ratio."""

    engine: str
    sign: Sign
    standing: str
    ratio: Figure | None
    beside: Markup
    point: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Facet:
    """One workload's case with its engines, best first."""

    heading: str
    rows: Sequence[Row]

    @property
    def perhaps(self) -> bool:
        """Whether a row of the leading group is likely behind its first."""
        return any(row.standing == "perhaps" for row in self.rows)


@dataclass(frozen=True)
class Forest:
    """Facets over one axis, which is None without ratios; folded are those for which the first screen has no room, more
    says what they are."""

    shown: Sequence[Facet]
    folded: Sequence[Facet]
    more: str
    axis: Axis | None
    without_ratio: str = ""


def heading(inputs: ReportInputs, cell: Document) -> str:
    """Name of a workload, with its case where it has several, and the tokens in and out."""
    place = place_of(inputs.results, Cell(cell["workload"], cell["case"]))
    return " · ".join(filter(None, (place, tokens_in_words(inputs, cell))))


def tokens_in_words(inputs: ReportInputs, cell: Document) -> str | None:
    """ "64 → 12 tokens" of a request of a cell of the answer, on average where each has lengths of its own; None where
    no engine tells."""
    if cell["prompt_tokens"] is None or cell["max_tokens"] is None:
        return None
    workload = next(one for one in inputs.plan["workloads"] if one["name"] == cell["workload"])
    case = next(one for one in workload["cases"] if one["name"] == cell["case"])
    place, answer = Cell(cell["workload"], cell["case"]), cell["max_tokens"]
    is_mean = not {"prompt_lengths", "answer_lengths"}.isdisjoint(case) or case["prompt"]["kind"] == "lines"
    if is_mean:
        works = (inputs.results.work(name, place) for name in inputs.results.engines)
        answer = round(next(work.answer for work in works if work is not None))
    return f"{'on average ' if is_mean else ''}{cell['prompt_tokens']:,} → {answer:,} tokens"


def forest(inputs: ReportInputs) -> Forest:
    """The plot of all cells of the answer."""
    cells = inputs.summary["answer"]["workloads"]
    axis = _axis(cells)
    facets = [_facet(inputs, number, cell, axis) for number, cell in enumerate(cells)]
    rows = accumulate(len(facet.rows) for facet in facets)
    fitting = sum(number <= MOST_ROWS for number in rows)
    shown, folded = facets[:fitting], facets[fitting:]
    more = plural(len(folded), "further test case")
    if not fitting and folded:  # its first rows stand above, and all of them below
        shown, others = [replace(folded[0], rows=folded[0].rows[:MOST_ROWS])], folded[1:]
        more = f"All {len(folded[0].rows)} engines" + (
            f", {plural(len(others), 'further test case')}" if others else ""
        )
    return Forest(shown, folded, more, axis, "" if axis else _without_ratio(inputs, cells))


def _without_ratio(inputs: ReportInputs, cells: Sequence[Document]) -> str:
    """Why no engine has a ratio to the baseline."""
    baseline = inputs.plan["campaign"]["baseline"]
    if any(one["engine"] == baseline and one["value"] is not None for cell in cells for one in cell["engines"]):
        return f"There are too few launches or engines to compare with {baseline}, so there is no ratio."
    return f"{baseline} has no measurement to compare with, so there is no ratio."


def _axis(cells: Sequence[Document]) -> Axis | None:
    engines = [one for cell in cells for one in cell["engines"] if one["ratio_to_baseline"] is not None]
    ends = [end for one in engines for end in (one["ratio_to_baseline"], *(one["ratio_interval"] or ()))]
    if not ends:
        return None
    low, high = min(1.0, *ends), max(1.0, *ends)
    return Axis(low, high).to_a_tick() if high > low else Axis(low * 0.9, high * 1.1)


def _facet(inputs: ReportInputs, number: int, cell: Document, axis: Axis | None) -> Facet:
    return Facet(heading(inputs, cell), [_row(inputs, number, place, axis) for place in range(len(cell["engines"]))])


def _row(inputs: ReportInputs, number: int, place: int, axis: Axis | None) -> Row:
    cell = inputs.summary["answer"]["workloads"][number]
    engine, path = cell["engines"][place], ("answer", "workloads", number, "engines", place)
    is_baseline = engine["engine"] == inputs.plan["campaign"]["baseline"]
    ratio = figure(inputs, "summary", *path, "ratio_to_baseline", show=times)
    value = figure(inputs, "summary", *path, "value", show=in_unit(cell["unit"]))
    at = 1.0 if is_baseline and value else None if ratio is None else ratio.value
    ends = engine["ratio_interval"] if ratio is not None else None
    if ends is not None:
        beside = span(*(figure(inputs, "summary", *path, "ratio_interval", end) for end in (0, 1)))
    elif value is None:
        beside = Markup("no measurement")
    else:
        beside = Markup("baseline, {}" if is_baseline else "{}").format(value)
    if value is not None and not engine["ranked"]:
        beside = Markup("{}, not ranked").format(beside)
    elif value is not None and engine["reason"]:
        beside = Markup("{}, lost launches").format(beside)
    low, high = (axis.place(end) for end in ends) if axis and ends else (None, None)
    return Row(
        engine["engine"],
        inputs.signs[engine["engine"]],
        standing(inputs, cell, engine),
        ratio,
        beside,
        None if axis is None or at is None else axis.place(at),
        low,
        high,
    )


def standing(inputs: ReportInputs, cell: Document, engine: Document) -> str:
    """leads; perhaps where one of two tests puts it behind the first of the leading group; empty outside the group."""
    if not engine["leading"]:
        return ""
    name, first = engine["engine"], cell["leading"][0]
    one = inputs.results.between(name, first, Cell(cell["workload"], cell["case"]), cell["metric"])
    likely_behind = one is not None and one["verdict"] == "significant_unconfirmed" and one["faster"] == first
    return "perhaps" if likely_behind else "leads"


def times(ratio: float) -> str:
    """A ratio with its sign."""
    return f"{significant(ratio)}{TIMES}"
