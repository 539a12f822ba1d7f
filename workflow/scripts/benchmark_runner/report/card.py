"""A box of the first screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from benchmark_runner.plots.signs import Sign
from benchmark_runner.report.figures import Figure

NAMES_SHOWN: Final = 3  # of a group of engines in its card; the plots have all


@dataclass(frozen=True)
class Card:
    """Engines with their signs or, of many, what they have together; a figure beside them, a word and tone, lines."""

    heading: str
    engines: Sequence[tuple[str, Sign]]
    value: Figure | None = None
    more: int = 0
    word: str | None = None
    tone: str = "open"
    lines: Sequence[Markup | str] = ()
    is_workload: bool = False
    together: str = ""
