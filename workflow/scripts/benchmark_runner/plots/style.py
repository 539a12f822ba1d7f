"""What the plots and the report's charts have in common: one colour an engine, fonts, and files with stable bytes."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark_runner.checked import FAIL
from benchmark_runner.display import STRUCK
from benchmark_runner.jsonio import written_whole
from benchmark_runner.terminal import visible

# Told apart under normal sight, deuteranopia and protanopia (tests/plots simulate all): six of Okabe & Ito's and Tol's,
# then those of a grid that lie farthest from all others in OKLab under each sight, on paper and lightened for the dark.
# Engines that share a mark, eight places apart, have colours that lie farther from each other still.
PALETTE: Final = (
    *("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#882255", "#0000BB", "#BB00FF", "#004400", "#FF44EE"),
    *("#DD0022", "#2299FF", "#550077", "#888844", "#8844DD", "#995555", "#66BB55", "#5500EE", "#444499", "#CC0088"),
)
MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "o": ("circle", "M-.8 0A.8 .8 0 1 1 .8 0A.8 .8 0 1 1-.8 0Z"),
    "s": ("square", "M-.75-.75H.75V.75H-.75Z"),
    "^": ("triangle", "M0-.95L.95 .8H-.95Z"),
    "D": ("diamond", "M0-1L1 0L0 1L-1 0Z"),
    "v": ("nabla", "M0 .95L.95-.8H-.95Z"),
    "P": ("plus", "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z"),
    "X": ("cross", "M-.5-1L0-.5L.5-1L1-.5L.5 0L1 .5L.5 1L0 .5L-.5 1L-1 .5L-.5 0L-1-.5Z"),
    "*": ("star", "M0-1L.26-.35L.95-.31L.42 .14L.59 .81L0 .44L-.59 .81L-.42 .14L-.95-.31L-.26-.35Z"),
}
"""By matplotlib's marker: the same mark's name and path, two units wide around 0, for pages."""
CONTROL_TINT: Final = 0.55  # share of white in the control's colour: clearly the twin, still 2:1 against paper (chosen)
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
_NO_ORIGIN: Final[Any] = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}

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


def tint(colour: str, share: float) -> str:
    """A colour mixed with white; share 0 leaves it, 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(channel + (255 - channel) * share):02x}" for channel in channels)


@dataclass(frozen=True)
class Sign:
    """What stands for an engine: a colour, and a mark for whoever cannot tell colours apart."""

    colour: str
    marker: str

    @property
    def mark(self) -> str:
        """Name of the mark on a page."""
        return MARKS[self.marker][0]

    @property
    def path(self) -> str:
        """The mark as a path, two units wide around 0."""
        return MARKS[self.marker][1]


def engine_signs(engines: Sequence[Mapping[str, Any]]) -> dict[str, Sign]:
    """Sign of each engine of the campaign, by its place among those that are no control; a control has the mark of what
    it controls, and a lighter twin of its colour."""
    own = [engine["name"] for engine in engines if engine["control_of"] is None]
    markers = list(MARKS)
    found = {name: Sign(PALETTE[place % len(PALETTE)], markers[place % len(markers)]) for place, name in enumerate(own)}
    for engine in engines:
        if engine["control_of"] is not None:
            twin = found.get(engine["control_of"], Sign(PALETTE[0], markers[0]))
            found[engine["name"]] = Sign(tint(twin.colour, CONTROL_TINT), twin.marker)
    return found


def with_signs(engines: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str, str]]:
    """(engine, colour, marker) of each engine in order."""
    signs = engine_signs(engines)
    return [(engine, signs[engine["name"]].colour, signs[engine["name"]].marker) for engine in in_order(engines)]


def is_struck(engine: Mapping[str, Any]) -> bool:
    """Whether an engine of the statistics computes something else, so that its figures are no answer."""
    return bool((engine["fidelity"] or {}).get("result") == FAIL)


def shown_name(engine: Mapping[str, Any]) -> str:
    """Name of an engine beside a line, and that it is struck where it is."""
    return f"{engine['name']} ({STRUCK})" if is_struck(engine) else str(engine["name"])


def in_order(engines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Engines as the campaign lists them, but each control right after what it controls."""
    ordered = []
    for engine in engines:
        if engine["control_of"] is None:
            ordered += [engine, *(other for other in engines if other["control_of"] == engine["name"])]
    return ordered + [engine for engine in engines if engine not in ordered]


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


def span(values: Mapping[str, float], in_words: Callable[[float], str]) -> str:
    """ "from 1 GB (a) to 2 GB (b)", or "1 GB (a)" of a single engine and "1 GB (all)" where the words tell none apart;
    values by engine, at least one."""
    least, most = (pick(values, key=lambda name: values[name]) for pick in (min, max))
    low, high = (in_words(values[name]) for name in (least, most))
    if low == high:
        return f"{low} ({least if len(values) == 1 else 'all'})"
    return f"from {low} ({least}) to {high} ({most})"


def style() -> Any:
    """Context in which a figure is to be made and saved."""
    return matplotlib.rc_context(RC)


def save(figure: Figure, path: Path, kind: Literal["png", "svg"]) -> None:
    """Write the figure atomically, without the library's version and without a date: same data, same bytes."""
    for text in figure.findobj(Text):
        text.set(text=visible(text.get_text()), parse_math=False)  # any may be an engine's words
    content = io.BytesIO()
    dots = min(DOTS_PER_INCH, MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(content, format=kind, dpi=dots, metadata=_NO_ORIGIN[kind])
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
