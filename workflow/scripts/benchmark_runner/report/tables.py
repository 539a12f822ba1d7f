"""Tables as data: what a cell shows, by what it is sorted, how it is marked. The template gives them their form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark_runner.display import ABSENT
from benchmark_runner.plots.signs import Sign


@dataclass(frozen=True)
class Column:
    """A column's heading; hint says what it holds where the heading is not enough."""

    label: str
    number: bool = False
    prose: bool = False
    hint: str | None = None


def number(label: str, hint: str | None = None) -> Column:
    """A column of numbers."""
    return Column(label, number=True, hint=hint)


def prose(label: str) -> Column:
    """A column of sentences."""
    return Column(label, prose=True)


def heads(*labels: str | Column) -> list[Column]:
    """Columns; a label alone is one of short words."""
    return [Column(label) if isinstance(label, str) else label for label in labels]


@dataclass(frozen=True)
class TableCell:
    """One cell: text, a softer second line, the value to sort by, the tone of a badge, an engine's sign."""

    text: str
    below: str | None = None
    value: float | None = None
    tone: str | None = None
    sign: Sign | None = None


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its heading. Without rows the template says `empty` instead.

    chosen_by holds engine and place of each row where the page's filters choose rows.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    sortable: bool = False
    empty: str = "Nothing to show."
    chosen_by: Sequence[tuple[str, str]] = ()


def text_or_absent(value: object) -> TableCell:
    """A cell with the value's text, or a dash where it is null."""
    return TableCell(ABSENT if value is None else str(value))
