"""What the plots have in common: fonts, titles, and files with stable bytes."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark_runner.jsonio import written_whole
from benchmark_runner.terminal import visible

INK: Final = "#1a1a1a"
MUTED: Final = "#5f6368"
GRID: Final = "#dddddd"
DOTS_PER_INCH: Final = 110  # 9 pt text is then 14 pixels high, readable at 1x
MOST_PIXELS: Final = 60_000  # of a side; beyond 65,535 matplotlib draws nothing
WIDTH_INCHES: Final = 11.0
LABEL_WIDTH_CHARACTERS: Final = 24
LINE_CHARACTERS: Final = 150  # of 9 pt text over the figure's width
TITLE_CHARACTERS: Final = 92  # of the title's 13 pt
TITLE_LINE_INCHES: Final = 0.23
PICTURES: Final = {"out": "the plot as PNG", "svg": "the plot as SVG"}
"""What the command of each plot makes."""
PNG_COMPRESS_LEVEL: Final = 3
"""Chosen: a picture of ten thousand launches takes a third less time than by the library's 6, and 3 % more space."""
_SAVED: Final[Any] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": PNG_COMPRESS_LEVEL}},
    "svg": {"metadata": {"Creator": None, "Date": None}},
}
"""How a file of a kind is written: without the library's version and without a date."""

RC: Final[Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that each machine draws the same
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "svg.hashsalt": "benchmark_runner",  # else the names of its parts are random
    "text.parse_math": False,  # a name with a dollar sign is a name
    "xtick.color": MUTED,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
}


def wrapped(name: str, width: int = LABEL_WIDTH_CHARACTERS, lines: int = 3) -> str:
    """A name broken at underscores, hyphens and spaces into a few lines, cut with an ellipsis beyond them."""
    spaced = name.replace("_", "_\u200b").replace("/", "/\u200b").replace("-", "-\u200b")
    parts: list[str] = []
    line = ""
    for piece in spaced.replace(" ", " \u200b").split("\u200b"):
        for chunk in textwrap.wrap(piece, width, drop_whitespace=False) or [""]:
            if len(line) + len(chunk) > width:
                parts.append(line.rstrip())
                line = ""
            line += chunk
    parts.append(line.rstrip())
    if len(parts) > lines:
        parts = [*parts[: lines - 1], parts[lines - 1][: width - 1] + "…"]
    return "\n".join(parts)


def new_figure(height_inches: float) -> Figure:
    """An empty figure of the common width."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, title: str, words: str) -> None:
    """Title and explanation at the top of a figure, the explanation broken into lines."""
    height_inches = figure.get_size_inches()[1]
    told = textwrap.fill(title, TITLE_CHARACTERS, max_lines=2, placeholder=" …")
    figure.text(0.01, 1 - 0.16 / height_inches, told, fontsize=13, fontweight="bold", va="top")
    below = 0.24 + TITLE_LINE_INCHES * (told.count("\n") + 1)
    lines = "\n".join(textwrap.fill(line, LINE_CHARACTERS) for line in words.splitlines())
    figure.text(0.01, 1 - below / height_inches, lines, fontsize=9, color=MUTED, va="top", linespacing=1.3)


def style() -> Any:
    """Context in which a figure is to be made and saved."""
    return matplotlib.rc_context(RC)


def save(figure: Figure, path: Path, kind: Literal["png", "svg"]) -> None:
    """Write the figure atomically: same data, same bytes."""
    for text in figure.findobj(Text):
        text.set(text=visible(text.get_text()), parse_math=False)  # any may be an engine's words
    content = io.BytesIO()
    dots = min(DOTS_PER_INCH, MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(content, format=kind, dpi=dots, **_SAVED[kind])
    with written_whole(path) as partial:
        partial.write_bytes(content.getvalue())


def draw_and_save(draw: Callable[[], Figure], png: Path, svg: Path) -> int:
    """What the command of each plot does with its drawing; gives back its exit status."""
    with style():
        figure = draw()
        save(figure, png, "png")
        save(figure, svg, "svg")
    return os.EX_OK


def by_workload_and_case(cells: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Workloads and cases in the order of the campaign, each once; cells of whole launches (case null) are left out."""
    return list(dict.fromkeys((cell["workload"], cell["case"]) for cell in cells if cell["case"] is not None))
